"""Where videos come from: a module a data set, each giving the same table."""
