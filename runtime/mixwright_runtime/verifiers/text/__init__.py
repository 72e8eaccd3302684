"""What a text shows by itself: language, refusal, repetition, how it ends."""
