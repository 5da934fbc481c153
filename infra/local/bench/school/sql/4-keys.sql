-- Keys, foreign keys and indexes, as an application has them, and sequences behind their rows.
ALTER TABLE school.person ADD PRIMARY KEY (id);
ALTER TABLE school.class ADD PRIMARY KEY (id), ADD FOREIGN KEY (teacher_id) REFERENCES school.person;
ALTER TABLE school.enrolment ADD PRIMARY KEY (class_id, person_id), ADD FOREIGN KEY (class_id) REFERENCES school.class, ADD FOREIGN KEY (person_id) REFERENCES school.person;
ALTER TABLE school.grade ADD PRIMARY KEY (id), ADD FOREIGN KEY (person_id) REFERENCES school.person, ADD FOREIGN KEY (class_id) REFERENCES school.class;
ALTER TABLE school.lesson ADD PRIMARY KEY (id), ADD FOREIGN KEY (class_id) REFERENCES school.class;
ALTER TABLE school.attendance ADD PRIMARY KEY (lesson_id, person_id), ADD FOREIGN KEY (lesson_id) REFERENCES school.lesson, ADD FOREIGN KEY (person_id) REFERENCES school.person;
ALTER TABLE school.message ADD PRIMARY KEY (id), ADD FOREIGN KEY (sender_id) REFERENCES school.person, ADD FOREIGN KEY (recipient_id) REFERENCES school.person;
ALTER TABLE school.report ADD PRIMARY KEY (person_id, class_id, term), ADD FOREIGN KEY (person_id) REFERENCES school.person, ADD FOREIGN KEY (class_id) REFERENCES school.class;
ALTER TABLE school.event ADD PRIMARY KEY (id);
ALTER TABLE school.document ADD PRIMARY KEY (id), ADD FOREIGN KEY (person_id) REFERENCES school.person;
ALTER TABLE school.invoice ADD PRIMARY KEY (id), ADD UNIQUE (reference), ADD FOREIGN KEY (person_id) REFERENCES school.person;
ALTER TABLE school.audit ADD PRIMARY KEY (at, id);

CREATE INDEX ON school.person (family_name, given_name);
CREATE UNIQUE INDEX ON school.person (lower(email));
CREATE INDEX ON school.class (teacher_id);
CREATE INDEX ON school.enrolment (person_id);
CREATE INDEX ON school.grade (person_id, given_on);
CREATE INDEX ON school.grade (class_id);
CREATE INDEX ON school.lesson (class_id, held_on);
CREATE INDEX ON school.attendance (person_id);
CREATE INDEX ON school.message (recipient_id, sent_at);
CREATE INDEX ON school.message (sender_id);
CREATE INDEX ON school.event (kind, at);
CREATE INDEX ON school.document (person_id);
CREATE INDEX ON school.invoice (person_id) WHERE paid_at IS NULL;
CREATE INDEX ON school.audit (relation, row_id);

CREATE VIEW school.open_invoice AS SELECT p.id, p.family_name, p.given_name, count(*) AS invoices, sum(i.amount) AS amount
	FROM school.person p JOIN school.invoice i ON i.person_id = p.id WHERE i.paid_at IS NULL GROUP BY p.id;

SELECT setval(pg_get_serial_sequence('school.' || t, 'id'), make.n(t)) FROM unnest(ARRAY['person', 'class', 'grade', 'lesson', 'event', 'document', 'invoice']) t;
SELECT setval('school.message_number', make.n('message'));
DROP SCHEMA make CASCADE;
