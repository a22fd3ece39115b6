/// What the server must not forget, in SQLite: jobs, the tasks that were touched, and nodes.
public enum StateStore {}
