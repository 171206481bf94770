"""AWS on one machine: the same APIs, with real engines behind them."""
