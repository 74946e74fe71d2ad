"""How a conversation feels: how soon the bot answers, stops, and what it remembers."""
