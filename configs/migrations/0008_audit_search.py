"""Index the audit log for its search: words anywhere in names and reasons, and objects by id."""

from django.contrib.postgres.operations import TrigramExtension
from django.db import migrations, models

SEARCHED = "(object_name || ' ' || object_id || ' ' || actor_name || ' ' || reason)"


class Migration(migrations.Migration):
    dependencies = [("configs", "0007_versions_cannot_be_bypassed")]

    operations = [
        TrigramExtension(),
        migrations.AddIndex(
            "auditentry", models.Index(fields=["object_id", "-id"], name="audit_object_id")
        ),
        migrations.RunSQL(
            f"CREATE INDEX audit_words ON configs_auditentry USING gin ({SEARCHED} gin_trgm_ops)",
            "DROP INDEX audit_words",
        ),
    ]
