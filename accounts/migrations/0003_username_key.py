"""Make names unique in NFKC and without regard to case, also where the database's locale is C."""

import unicodedata

from django.db import migrations, models


def fill(apps, schema_editor):
    users = apps.get_model("accounts", "User").objects.using(schema_editor.connection.alias)
    for user in users.only("username").iterator():
        folded = unicodedata.normalize("NFKC", user.username).strip().casefold()
        users.filter(pk=user.pk).update(username_key=unicodedata.normalize("NFKC", folded))


class Migration(migrations.Migration):

    dependencies = [("accounts", "0002_role_grants")]

    operations = [
        migrations.RemoveConstraint(model_name="user", name="user_name_unique_any_case"),
        migrations.AddField(
            model_name="user",
            name="username_key",
            field=models.CharField(default="", editable=False, max_length=450),
            preserve_default=False,
        ),
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
        migrations.AlterField(
            model_name="user",
            name="username_key",
            field=models.CharField(editable=False, max_length=450, unique=True),
        ),
    ]
