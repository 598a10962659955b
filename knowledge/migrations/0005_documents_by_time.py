"""Index documents by time, for the list that shows all of them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("knowledge", "0004_passage_language")]

    operations = [
        migrations.AddIndex(
            "document", models.Index(fields=["-created_at", "id"], name="document_recent")
        ),
    ]
