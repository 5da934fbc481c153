package backup

// Selection says of which tables the rows are wanted. The schema is always whole, so that the file can be restored as it is. The zero value
// wants all.
type Selection struct {
	// Include are the tables whose rows are wanted, all where it is empty, and Exclude those whose rows are left out. A pattern is
	// schema.table, in which * stands for any letters, as in school.* or audit.log_*.
	Include []string `json:"include,omitempty"`
	Exclude []string `json:"exclude,omitempty"`
}

// All reports whether the rows of all tables are wanted.
func (s Selection) All() bool { return len(s.Include) == 0 && len(s.Exclude) == 0 }
