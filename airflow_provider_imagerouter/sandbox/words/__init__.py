"""Text models: what they are asked, what they say, and the two formats of OpenAI's that it comes in."""
