"""`voicewire bench`: a load generator of callers in real time, and what it measures.

One run, from the command to the report::

    command.py ── capacity.py        which runs, until the objective is missed
        │
      run.py ──── own_server.py, server_probe.py      the server, and what it costs
        │
    generator.py (a process each) ── wheel.py         when which caller sends
        │
    connection.py ── handshake.py, parser.py          one caller's socket
        │
    echo.py or conversation.py ── dialect.py          what the caller says and hears
        │
    playout.py, spread.py → outcome.py → report.py, page.py

Everything that computes is pure and gets the time as an argument.
"""
