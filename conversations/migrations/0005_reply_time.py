"""Index the replies by time, with what is counted of them, so that no row has to be read."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("conversations", "0004_answer_trace")]

    operations = [
        migrations.AddIndex(
            "message",
            models.Index(
                fields=["created_at"],
                condition=models.Q(role="assistant"),
                include=[
                    "conversation",
                    "status",
                    "first_token_at",
                    "prompt_tokens",
                    "completion_tokens",
                    "endpoint_name",
                    "model",
                ],
                name="message_reply_time",
            ),
        ),
    ]
