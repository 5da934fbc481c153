package e2e

import (
	"strings"
	"testing"
)

// TestRescue_BringsLostRowsBackAndTouchesNothingElse is what an operator does whose colleague has deleted rows of one table: everything
// that was written since to the others stays.
func TestRescue_BringsLostRowsBackAndTouchesNothingElse(t *testing.T) {
	t.Parallel()
	w := use(t)
	_, script, _ := strings.Cut(chinook, "\n\\c chinook;\n") // what stands before is for psql
	db := w.newDatabase(t, "e2e_rescue", script)
	const dbname = "e2e_rescue"
	b := w.backup(t, db).wantState(t, "created")
	w.exec(t, dbname, "UPDATE artist SET name = 'written since' WHERE artist_id = 1; CREATE TABLE made_since (x int)")
	whole := w.snapshot(t, dbname)
	w.exec(t, dbname, "DELETE FROM playlist_track WHERE track_id % 3 = 0; DELETE FROM invoice_line")
	damaged := w.snapshot(t, dbname)

	request := map[string]any{"source": map[string]string{"backup": b.ID}, "tables": []string{"public.playlist_track", "public.invoice_line"}}
	dry := w.restore(t, db, request).wantState(t, "rehearsed")
	if diff := damaged.diff(w.snapshot(t, dbname)); diff != "" || dry.Rescue == nil || dry.Rescue.Drop != "" || dry.Held != nil {
		t.Errorf("a dry run changed the live database, or keeps something: %+v (-before +after):\n%s", dry.Rescue, diff)
	}

	request["dryRun"], request["confirm"] = false, db
	r := w.restore(t, db, request).wantState(t, "restored")
	if r.Rescue == nil || r.Rescue.Schema != "rescue_"+r.ID || len(r.Rescue.Tables) != 2 || r.Rescue.Tables[1].Rows != 2240 {
		t.Fatalf("rescue %+v", r.Rescue)
	}
	if n := ask[int](t, w, dbname, "SELECT count(*) FROM "+r.Rescue.Schema+".invoice_line"); n != 2240 {
		t.Errorf("%d rows were rescued", n)
	}
	if staged := w.staged(t, r.ID); staged != "" {
		t.Errorf("it left %s", staged)
	}
	c := w.connect(t, dbname, ownerOf(dbname), appPassword)
	for _, sql := range []string{r.Rescue.Tables[0].BringBack, r.Rescue.Tables[1].BringBack, r.Rescue.Drop} {
		if _, err := c.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	if diff := whole.diff(w.snapshot(t, dbname)); diff != "" {
		t.Errorf("after the rows were brought back (-before they were lost +now):\n%s", diff)
	}
}
