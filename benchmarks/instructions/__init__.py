"""Calls of cloudio whose instructions and bytecodes are counted, and what they may cost."""
