"""`voicewire bench`: a load generator of callers in real time, and what it measures.

One run, from the command to the report::

    command.py ── session.py ── capacity.py           which runs, until the objective is missed
                      │
                   run.py ── target.py, server_probe.py    the server, and what it costs
                      │
                 generator.py (a process each)
                      ├── wheel.py                    when which caller sends
                      ├── connection.py ── handshake.py, parser.py    a caller's socket
                      └── roles.py                    what each caller says and hears:
                            ├── echo.py ── stamps.py
                            └── conversation.py ── turns.py

    playout.py, spread.py → outcome.py → report.py ── text.py, words.py, page.py ── plots.py

Everything that computes is pure and gets the time as an argument.
"""
