"""`python -m voicewire` is the command `voicewire`."""

from voicewire.cli.main import main

if __name__ == "__main__":
    main()
