"""Index conversations and messages by time, for the lists that show everybody's."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("conversations", "0005_reply_time")]

    operations = [
        migrations.AddIndex(
            "conversation",
            models.Index(fields=["-updated_at", "id"], name="conversation_recent"),
        ),
        migrations.AddIndex(
            "message", models.Index(fields=["-created_at", "id"], name="message_recent")
        ),
        migrations.AddIndex(
            "message",
            models.Index(
                fields=["status", "-created_at", "id"],
                condition=~models.Q(status="complete"),
                name="message_not_complete",
            ),
        ),
    ]
