"""Say of each history row which release it was; let no change go past version and history."""

from django.db import migrations

TABLES = ("config", "configoverride", "modelendpoint", "prompttemplate")

BACKFILL = """
UPDATE configs_historical{table} AS past SET release_version = (
  SELECT min(version) FROM configs_release WHERE created_at >= past.history_date)
WHERE past.release_version IS NULL;
"""

FUNCTIONS = """
-- Whether only seals were renewed: the token behind the last colon, which holds the value, stays.
CREATE FUNCTION steering_resealed(was jsonb, becomes jsonb) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  name text;
BEGIN
  IF current_setting('clawai.rewrapping', true) IS DISTINCT FROM 'on'
    OR was - '{value,api_key}'::text[] IS DISTINCT FROM becomes - '{value,api_key}'::text[]
  THEN
    RETURN false;
  END IF;
  FOREACH name IN ARRAY '{value,api_key}'::text[] LOOP
    IF was ->> name IS DISTINCT FROM becomes ->> name AND NOT (
      was ->> name LIKE 'enc:v_:%' AND becomes ->> name LIKE 'enc:v_:%'
      AND substring(was ->> name FROM '[^:]*$') = substring(becomes ->> name FROM '[^:]*$'))
    THEN
      RETURN false;
    END IF;
  END LOOP;
  RETURN true;
END $$;

CREATE FUNCTION steering_step() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  was jsonb := to_jsonb(OLD);
  becomes jsonb := to_jsonb(NEW);
BEGIN
  IF OLD.id = NEW.id AND NEW.version = OLD.version + 1 THEN
    RETURN NEW;
  END IF;
  -- A person's row may go, and takes the name on the last change along; nothing else is without
  -- a version.
  IF was = becomes OR steering_resealed(was, becomes) OR (
    becomes ->> 'updated_by_id' IS NULL AND was - 'updated_by_id' = becomes - 'updated_by_id')
  THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION '% is changed version by version: publish the change', TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation', HINT = 'Use configs.changesets or configs.services.';
END $$;

CREATE FUNCTION steering_kept() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  now_is jsonb := to_jsonb(CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END);
  step text := CASE TG_OP WHEN 'INSERT' THEN '+' WHEN 'UPDATE' THEN '~' ELSE '-' END;
  wanted integer;
  past jsonb;
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.version = OLD.version THEN
    RETURN NULL;
  END IF;
  wanted := (now_is ->> 'version')::integer + CASE TG_OP WHEN 'DELETE' THEN 1 ELSE 0 END;
  EXECUTE format(
    'SELECT to_jsonb(past) FROM %I AS past WHERE id::text = $1 AND version = $2'
    ' AND history_type = $3', TG_ARGV[0])
    INTO past USING now_is ->> 'id', wanted, step;
  IF past IS NULL THEN
    RAISE EXCEPTION '% has no history row for version % of %', TG_TABLE_NAME, wanted,
      now_is ->> 'id'
      USING ERRCODE = 'restrict_violation', HINT = 'Use configs.changesets or configs.services.';
  END IF;
  -- A key is sealed anew for its history row; all else is the same.
  IF TG_OP <> 'DELETE' AND EXISTS (
    SELECT FROM jsonb_each(now_is - 'api_key') AS field
    WHERE past -> field.key IS DISTINCT FROM field.value)
  THEN
    RAISE EXCEPTION 'the history of % says something else than the row %', TG_TABLE_NAME,
      now_is ->> 'id' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION steering_history_belongs() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  alone boolean;
  lives boolean;
BEGIN
  EXECUTE format(
    'SELECT NOT EXISTS (SELECT FROM %I WHERE id::text = $1 AND history_id <> $2 AND ('
    ' version = $3 OR (version > $3 AND history_id < $2)))', TG_TABLE_NAME)
    INTO alone USING NEW.id::text, NEW.history_id, NEW.version;
  EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE id::text = $1 AND version >= $2)', TG_ARGV[0])
    INTO lives USING NEW.id::text, NEW.version;
  IF NOT lives AND NEW.history_type <> '-' THEN  -- or it was removed in the same transaction
    EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE id::text = $1 AND version > $2'
      ' AND history_type = ''-'')', TG_TABLE_NAME)
      INTO lives USING NEW.id::text, NEW.version;
  END IF;
  IF NOT alone OR lives = (NEW.history_type = '-') THEN
    RAISE EXCEPTION 'version % of % in % is no change that was made', NEW.version, NEW.id,
      TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION steering_history_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND steering_resealed(to_jsonb(OLD), to_jsonb(NEW)) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION '% is never changed or shortened', TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation';
END $$;

CREATE FUNCTION steering_no_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is not emptied at once: each removal is a change', TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation';
END $$;

CREATE FUNCTION steering_release_follows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.version <> (SELECT coalesce(max(version), 0) + 1 FROM configs_release) THEN
    RAISE EXCEPTION 'release % does not follow the newest one', NEW.version
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER release_follows BEFORE INSERT ON configs_release
  FOR EACH ROW EXECUTE FUNCTION steering_release_follows();
CREATE TRIGGER release_stays BEFORE UPDATE OR DELETE ON configs_release
  FOR EACH ROW EXECUTE FUNCTION steering_history_stays();
CREATE TRIGGER release_no_truncate BEFORE TRUNCATE ON configs_release
  FOR EACH STATEMENT EXECUTE FUNCTION steering_no_truncate();
"""

TRIGGERS = """
CREATE TRIGGER {table}_step BEFORE UPDATE ON configs_{table}
  FOR EACH ROW EXECUTE FUNCTION steering_step();
CREATE CONSTRAINT TRIGGER {table}_kept AFTER INSERT OR UPDATE OR DELETE ON configs_{table}
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  EXECUTE FUNCTION steering_kept('configs_historical{table}');
CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON configs_{table}
  FOR EACH STATEMENT EXECUTE FUNCTION steering_no_truncate();
CREATE CONSTRAINT TRIGGER {table}_history_belongs AFTER INSERT ON configs_historical{table}
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  EXECUTE FUNCTION steering_history_belongs('configs_{table}');
CREATE TRIGGER {table}_history_stays BEFORE UPDATE OR DELETE ON configs_historical{table}
  FOR EACH ROW EXECUTE FUNCTION steering_history_stays();
CREATE TRIGGER {table}_history_no_truncate BEFORE TRUNCATE ON configs_historical{table}
  FOR EACH STATEMENT EXECUTE FUNCTION steering_no_truncate();
"""

NO_TRIGGERS = """
DROP TRIGGER {table}_history_no_truncate ON configs_historical{table};
DROP TRIGGER {table}_history_stays ON configs_historical{table};
DROP TRIGGER {table}_history_belongs ON configs_historical{table};
DROP TRIGGER {table}_no_truncate ON configs_{table};
DROP TRIGGER {table}_kept ON configs_{table};
DROP TRIGGER {table}_step ON configs_{table};
"""

NO_FUNCTIONS = """
DROP TRIGGER release_no_truncate ON configs_release;
DROP TRIGGER release_stays ON configs_release;
DROP TRIGGER release_follows ON configs_release;
DROP FUNCTION steering_release_follows(), steering_no_truncate(), steering_history_stays(),
  steering_history_belongs(), steering_kept(), steering_step(), steering_resealed(jsonb, jsonb);
"""


def _each(sql):
    return "".join(sql.replace("{table}", table) for table in TABLES)


class Migration(migrations.Migration):
    dependencies = [("configs", "0006_audit_chain")]

    operations = [
        migrations.RunSQL(_each(BACKFILL), migrations.RunSQL.noop),
        migrations.RunSQL(FUNCTIONS + _each(TRIGGERS), _each(NO_TRIGGERS) + NO_FUNCTIONS),
    ]
