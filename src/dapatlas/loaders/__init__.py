"""Cases in the shapes that training and analysis code expects; each module asks for its own optional package."""
