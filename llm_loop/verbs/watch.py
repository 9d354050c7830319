def add_to(s):
    s.add_parser("watch")
