"""Three ways of having databases in a Flask app, each in Flask's form and in ours."""
