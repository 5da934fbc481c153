package secrets

import (
	"encoding/base64"
	"slices"
	"strings"
)

type filter struct {
	Key    string
	Values []string
}

// match reports whether a secret passes: one of the values must fit. A value fits what begins with it, one that begins with !
// what does not.
func (f filter) match(x *secret) (bool, error) {
	var texts []string
	fold := false
	switch f.Key {
	case "name":
		texts = []string{x.Name}
	case "description":
		texts, fold = []string{x.Description}, true
	case "tag-key":
		for _, t := range x.Tags {
			texts = append(texts, t.Key)
		}
	case "tag-value":
		for _, t := range x.Tags {
			texts = append(texts, t.Value)
		}
	default:
		return false, invalid("The filter key %q is not known or not supported on this machine: it has name, description, "+
			"tag-key and tag-value.", f.Key)
	}
	return slices.ContainsFunc(f.Values, func(v string) bool {
		prefix, negated := strings.CutPrefix(v, "!")
		found := slices.ContainsFunc(texts, func(text string) bool {
			if fold {
				text, prefix = strings.ToLower(text), strings.ToLower(prefix)
			}
			return strings.HasPrefix(text, prefix)
		})
		return found != negated
	}), nil
}

type listInput struct {
	MaxResults             *int
	NextToken              string
	Filters                []filter
	IncludePlannedDeletion bool
	SortOrder              string
}

type listOutput struct {
	SecretList []description
	NextToken  string `json:",omitempty"`
}

func (s *Server) listSecrets(in *listInput) (listOutput, error) {
	limit, err := pageSize(in.MaxResults)
	if err != nil {
		return listOutput{}, err
	}
	list := s.sorted()
	switch in.SortOrder {
	case "", "desc":
	case "asc":
		slices.Reverse(list)
	default:
		return listOutput{}, invalid("SortOrder must be asc or desc.")
	}
	var fitting []*secret
	for _, x := range list {
		ok := in.IncludePlannedDeletion || x.Deleted.IsZero()
		for _, f := range in.Filters {
			fits, err := f.match(x)
			if err != nil {
				return listOutput{}, err
			}
			ok = ok && fits
		}
		if ok {
			fitting = append(fitting, x)
		}
	}
	from, err := s.pageStart(in.NextToken, list, fitting)
	if err != nil {
		return listOutput{}, err
	}
	out := listOutput{SecretList: []description{}}
	for _, x := range fitting[from:] {
		if len(out.SecretList) == limit {
			last := out.SecretList[limit-1].Name
			out.NextToken = base64.RawURLEncoding.EncodeToString([]byte(last))
			break
		}
		d := describe(x)
		d.SecretVersionsToStages = x.stages()
		out.SecretList = append(out.SecretList, d)
	}
	return out, nil
}

// pageStart returns where in fitting a page begins, whose token names the last secret of the page before.
func (s *Server) pageStart(token string, all, fitting []*secret) (int, error) {
	if token == "" {
		return 0, nil
	}
	name, err := base64.RawURLEncoding.DecodeString(token)
	last := slices.IndexFunc(all, func(x *secret) bool { return x.Name == string(name) })
	if err != nil || last < 0 {
		return 0, &nextTokenError
	}
	for i, x := range fitting {
		if slices.Index(all, x) > last {
			return i, nil
		}
	}
	return len(fitting), nil
}

func pageSize(given *int) (int, error) {
	const most = 100
	if given == nil {
		return most, nil
	}
	if *given < 1 || *given > most {
		return 0, invalid("MaxResults must be from 1 to %d.", most)
	}
	return *given, nil
}
