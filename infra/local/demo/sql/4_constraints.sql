-- Keys, references and indexes, built when the data are there.

ALTER TABLE term ADD FOREIGN KEY (school_year_id) REFERENCES school_year;
ALTER TABLE staff ADD FOREIGN KEY (reports_to) REFERENCES staff;
ALTER TABLE staff ADD CONSTRAINT staff_email_key UNIQUE (email) INCLUDE (last_name);
ALTER TABLE class ADD UNIQUE (school_year_id, name), ADD FOREIGN KEY (school_year_id) REFERENCES school_year,
    ADD FOREIGN KEY (class_teacher_id) REFERENCES staff, ADD FOREIGN KEY (room_id) REFERENCES room,
    -- Pupils are in classes, and classes have a pupil as their speaker: a circle.
    ADD CONSTRAINT class_speaker_fkey FOREIGN KEY (speaker_id, class_id) REFERENCES enrolment (student_id, class_id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE student_guardian ADD FOREIGN KEY (student_id) REFERENCES student ON DELETE CASCADE, ADD FOREIGN KEY (guardian_id) REFERENCES guardian;
ALTER TABLE enrolment ADD FOREIGN KEY (student_id) REFERENCES student, ADD FOREIGN KEY (class_id) REFERENCES class,
    ADD CONSTRAINT one_class_at_a_time EXCLUDE USING gist (student_id WITH =, during WITH &&);
ALTER TABLE timetable_slot ADD FOREIGN KEY (class_id) REFERENCES class, ADD FOREIGN KEY (subject_id) REFERENCES subject,
    ADD FOREIGN KEY (staff_id) REFERENCES staff, ADD FOREIGN KEY (room_id) REFERENCES room,
    ADD CONSTRAINT room_is_free EXCLUDE USING gist (room_id WITH =, weekday WITH =, at WITH &&),
    ADD CONSTRAINT teacher_is_free EXCLUDE USING gist (staff_id WITH =, weekday WITH =, at WITH &&);
ALTER TABLE attendance ADD PRIMARY KEY (student_id, day, part), ADD FOREIGN KEY (student_id) REFERENCES student,
    ADD FOREIGN KEY (recorded_by) REFERENCES staff;
ALTER TABLE exam ADD FOREIGN KEY (class_id) REFERENCES class, ADD FOREIGN KEY (subject_id) REFERENCES subject, ADD FOREIGN KEY (term_id) REFERENCES term;
ALTER TABLE grade ADD FOREIGN KEY (exam_id) REFERENCES exam ON DELETE CASCADE, ADD FOREIGN KEY (student_id) REFERENCES student;
ALTER TABLE message ADD FOREIGN KEY (from_staff) REFERENCES staff;
ALTER TABLE message_recipient ADD FOREIGN KEY (message_id) REFERENCES message ON DELETE CASCADE, ADD FOREIGN KEY (guardian_id) REFERENCES guardian;
ALTER TABLE document ADD FOREIGN KEY (student_id) REFERENCES student;
ALTER TABLE contract_scan ADD FOREIGN KEY (staff_id) REFERENCES staff;
ALTER TABLE "Schüler-Ausweis" ADD CONSTRAINT "Ausweis gehört zu Schüler" FOREIGN KEY (student_id) REFERENCES student ON DELETE CASCADE;
ALTER TABLE bus_stop ADD FOREIGN KEY (route_id) REFERENCES bus_route;
ALTER TABLE student_transport ADD FOREIGN KEY (student_id) REFERENCES student, ADD FOREIGN KEY (route_id, position) REFERENCES bus_stop MATCH FULL;
ALTER TABLE meal_order ADD FOREIGN KEY (student_id) REFERENCES student, ADD FOREIGN KEY (day, choice) REFERENCES meal ON UPDATE CASCADE;
ALTER TABLE health_note ADD FOREIGN KEY (student_id) REFERENCES student;
ALTER TABLE incident ADD FOREIGN KEY (student_id) REFERENCES student;
ALTER TABLE web_session ADD FOREIGN KEY (staff_id) REFERENCES staff ON DELETE CASCADE;
ALTER TABLE finance.invoice ADD UNIQUE (number), ADD FOREIGN KEY (student_id) REFERENCES student, ADD FOREIGN KEY (guardian_id) REFERENCES guardian;
ALTER TABLE finance.invoice_line ADD FOREIGN KEY (invoice_id) REFERENCES finance.invoice ON DELETE CASCADE, ADD FOREIGN KEY (fee_id) REFERENCES finance.fee;
ALTER TABLE finance.payment ADD FOREIGN KEY (invoice_id) REFERENCES finance.invoice;
ALTER TABLE library.loan ADD FOREIGN KEY (isbn) REFERENCES library.book, ADD FOREIGN KEY (student_id) REFERENCES student;

-- Numbers without the country were taken over from the old system; new ones must have it.
ALTER TABLE guardian ADD CONSTRAINT phone_with_country CHECK (phone LIKE '+%') NOT VALID;

CREATE UNIQUE INDEX student_email_key ON student (lower(email)) WHERE email IS NOT NULL;
CREATE INDEX student_name_idx ON student (last_name DESC NULLS LAST, first_name COLLATE "C");
CREATE INDEX student_name_trgm_idx ON student USING gin (display_name gin_trgm_ops);
CREATE INDEX student_profile_idx ON student USING gin (profile jsonb_path_ops);
CREATE INDEX student_languages_idx ON student USING gin (languages);
CREATE INDEX attendance_day_idx ON attendance USING brin (day) WITH (pages_per_range = 32);
CREATE INDEX grade_student_idx ON grade (student_id) INCLUDE (mark);
CREATE INDEX message_words_idx ON message USING gin (words);
CREATE INDEX message_sent_idx ON message (sent_at DESC);
CREATE INDEX document_title_idx ON document USING hash (title);
CREATE INDEX bus_stop_place_idx ON bus_stop USING gist (place);
CREATE INDEX invoice_open_idx ON finance.invoice (due) WHERE state IN ('sent', 'overdue');
CREATE INDEX "loan: noch nicht zurück" ON library.loan (student_id) WHERE back_on IS NULL;
CREATE STATISTICS exam_subject_term (dependencies, ndistinct) ON subject_id, term_id FROM exam;
ALTER TABLE student CLUSTER ON student_pkey;
ALTER TABLE audit_log SET (fillfactor = 100, autovacuum_vacuum_scale_factor = 0.4);
ALTER TABLE document ALTER COLUMN content SET STORAGE EXTERNAL;
ALTER TABLE message ALTER COLUMN sent_at SET STATISTICS 200;
ALTER TABLE timetable_slot REPLICA IDENTITY FULL;
