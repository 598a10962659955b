"""Seal the audit log at each commit, and refuse every other change to it."""

from django.db import migrations, models

FORWARDS = """
-- At the commit, entries are sealed behind all other deferred checks: those may wait for locks,
-- and the head of the chain must not be held meanwhile, or two commits could wait for each other.
CREATE FUNCTION audit_queue_seal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE configs_auditentry SET seal = seal WHERE id = NEW.id;
  RETURN NULL;
END $$;

CREATE FUNCTION audit_seal() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  last bigint;
  before text;
  sealed text;
BEGIN
  SELECT position, seal INTO last, before FROM configs_audithead WHERE id = 1 FOR UPDATE;
  IF NOT FOUND THEN
    IF EXISTS (SELECT FROM configs_auditentry WHERE position IS NOT NULL) THEN
      RAISE EXCEPTION 'the end of the audit log is missing' USING ERRCODE = 'restrict_violation';
    END IF;
    INSERT INTO configs_audithead (id, position, seal) VALUES (1, 0, '') ON CONFLICT DO NOTHING;
    SELECT position, seal INTO last, before FROM configs_audithead WHERE id = 1 FOR UPDATE;
  END IF;
  last := last + 1;
  sealed := encode(sha256(convert_to(
    before || ':' || last || ':' || NEW.id || ':' || NEW.digest, 'UTF8')), 'hex');
  UPDATE configs_auditentry SET position = last, seal = sealed WHERE id = NEW.id;
  UPDATE configs_audithead SET position = last, seal = sealed WHERE id = 1;
  RETURN NULL;
END $$;

CREATE FUNCTION audit_guard_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.position IS NOT NULL OR NEW.seal <> '' THEN
    RAISE EXCEPTION 'an audit entry is sealed by its commit' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION audit_guard_update() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  kept configs_auditentry;
BEGIN
  kept := OLD;
  kept.position := NEW.position;
  kept.seal := NEW.seal;
  IF pg_trigger_depth() < 2 OR OLD.position IS NOT NULL OR kept IS DISTINCT FROM NEW THEN
    RAISE EXCEPTION 'audit entries are never changed' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION audit_guard_head() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  due bigint := 0;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    due := OLD.position + 1;
  END IF;
  IF pg_trigger_depth() < 2 OR NEW.id <> 1 OR NEW.position <> due THEN
    RAISE EXCEPTION 'the audit log only grows' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit log is never shortened' USING ERRCODE = 'restrict_violation';
END $$;

CREATE CONSTRAINT TRIGGER audit_queue_seal AFTER INSERT ON configs_auditentry
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_queue_seal();
CREATE CONSTRAINT TRIGGER audit_seal AFTER UPDATE ON configs_auditentry
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.position IS NULL)
  EXECUTE FUNCTION audit_seal();
CREATE TRIGGER audit_guard_insert BEFORE INSERT ON configs_auditentry
  FOR EACH ROW EXECUTE FUNCTION audit_guard_insert();
CREATE TRIGGER audit_guard_update BEFORE UPDATE ON configs_auditentry
  FOR EACH ROW EXECUTE FUNCTION audit_guard_update();
CREATE TRIGGER audit_no_delete BEFORE DELETE ON configs_auditentry
  FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON configs_auditentry
  FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_guard_head BEFORE INSERT OR UPDATE ON configs_audithead
  FOR EACH ROW EXECUTE FUNCTION audit_guard_head();
CREATE TRIGGER audit_head_no_delete BEFORE DELETE ON configs_audithead
  FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_head_no_truncate BEFORE TRUNCATE ON configs_audithead
  FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
"""
BACKWARDS = """
DROP TRIGGER audit_head_no_truncate ON configs_audithead;
DROP TRIGGER audit_head_no_delete ON configs_audithead;
DROP TRIGGER audit_guard_head ON configs_audithead;
DROP TRIGGER audit_no_truncate ON configs_auditentry;
DROP TRIGGER audit_no_delete ON configs_auditentry;
DROP TRIGGER audit_guard_update ON configs_auditentry;
DROP TRIGGER audit_guard_insert ON configs_auditentry;
DROP TRIGGER audit_seal ON configs_auditentry;
DROP TRIGGER audit_queue_seal ON configs_auditentry;
DROP FUNCTION audit_refuse(), audit_guard_head(), audit_guard_update(), audit_guard_insert(),
  audit_seal(), audit_queue_seal();
"""


class Migration(migrations.Migration):
    dependencies = [("configs", "0004_changes_audit_processes")]

    operations = [
        migrations.AddField(
            "auditentry",
            "follows",
            models.BigIntegerField(default=0, editable=False, verbose_name="recorded after"),
        ),
        migrations.AddIndex(
            "auditentry", models.Index(fields=["request_id", "-id"], name="audit_request")
        ),
        migrations.AddIndex("auditentry", models.Index(fields=["ip", "-id"], name="audit_address")),
        migrations.RunSQL(FORWARDS, BACKWARDS),
    ]
