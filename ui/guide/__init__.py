"""The guided set-up, which opens at the first start and can be left and resumed."""
