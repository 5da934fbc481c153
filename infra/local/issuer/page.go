package issuer

import (
	_ "embed"
	"html/template"
	"net/http"
	"net/url"
	"slices"
)

//go:embed signin.html
var signInHTML string

var signInTemplate = template.Must(template.New("signin").Parse(signInHTML))

// carried are the parameters of the request that the form sends along.
var carried = []string{"client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge", "code_challenge_method"}

// noRole is the choice to be somebody who is signed in and in none of the roles.
const noRole = "none"

func choices() []string { return append(Roles(), noRole) }

type field struct{ Name, Value string }

func signInPage(w http.ResponseWriter, q url.Values, redirect, problem string) {
	var hidden []field
	for _, name := range carried {
		if v := q.Get(name); v != "" {
			hidden = append(hidden, field{name, v})
		}
	}
	name := q.Get("name")
	if name == "" {
		name = "Kim Example"
	}
	role := q.Get("role")
	if !slices.Contains(choices(), role) {
		role = choices()[0]
	}
	// Browsers hold the redirect after the form against form-action too.
	formAction := "'self'"
	if u, err := url.Parse(redirect); err == nil {
		formAction += " " + u.Scheme + "://" + u.Host
	}
	page(w, http.StatusOK, formAction, map[string]any{"Hidden": hidden, "Roles": choices(), "Name": name, "Role": role, "Problem": problem})
}

func problemPage(w http.ResponseWriter, text string) {
	page(w, http.StatusBadRequest, "'none'", map[string]any{"Only": text})
}

func page(w http.ResponseWriter, status int, formAction string, data map[string]any) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy",
		"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; form-action "+formAction)
	w.WriteHeader(status)
	_ = signInTemplate.Execute(w, data)
}
