package databases

// TagFor makes a registry of its own for a test: it looks at other tags.
func (r *Registry) TagFor(test string) (database, engine string) {
	r.tags.database, r.tags.engine = test+":database", test+":engine"
	return r.tags.database, r.tags.engine
}
