"""What is shown of a result: a page, plots, Markdown tables, and two results side by side."""
