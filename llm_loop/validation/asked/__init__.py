"""What the Python that will train is asked: files of their own, started by path, standard library only, from 3.8 on."""
