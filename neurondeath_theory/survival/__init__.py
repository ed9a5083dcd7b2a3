"""Will a ReLU network live: bounds, exact values, safe sizes."""
