"""Name the histories in the plural as they are in the singular."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("configs", "0008_audit_search"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="historicalconfig",
            options={
                "get_latest_by": ("history_date", "history_id"),
                "ordering": ("-history_date", "-history_id"),
                "verbose_name": "setting's history",
                "verbose_name_plural": "setting's history",
            },
        ),
        migrations.AlterModelOptions(
            name="historicalconfigoverride",
            options={
                "get_latest_by": ("history_date", "history_id"),
                "ordering": ("-history_date", "-history_id"),
                "verbose_name": "exception's history",
                "verbose_name_plural": "exception's history",
            },
        ),
        migrations.AlterModelOptions(
            name="historicalmodelendpoint",
            options={
                "get_latest_by": ("history_date", "history_id"),
                "ordering": ("-history_date", "-history_id"),
                "verbose_name": "endpoint's history",
                "verbose_name_plural": "endpoint's history",
            },
        ),
        migrations.AlterModelOptions(
            name="historicalprompttemplate",
            options={
                "get_latest_by": ("history_date", "history_id"),
                "ordering": ("-history_date", "-history_id"),
                "verbose_name": "prompt's history",
                "verbose_name_plural": "prompt's history",
            },
        ),
    ]
