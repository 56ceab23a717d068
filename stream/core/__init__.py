"""The thinking parts: values in, values out. No I/O, no clock, no log, no asyncio."""
