"""Name what citations, feedback and messages belong to."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("conversations", "0006_lists_of_all"),
    ]

    operations = [
        migrations.AlterField(
            model_name="citation",
            name="message",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="citations",
                to="conversations.message",
                verbose_name="message",
            ),
        ),
        migrations.AlterField(
            model_name="feedback",
            name="message",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="feedback",
                to="conversations.message",
                verbose_name="message",
            ),
        ),
        migrations.AlterField(
            model_name="message",
            name="conversation",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="messages",
                to="conversations.conversation",
                verbose_name="conversation",
            ),
        ),
    ]
