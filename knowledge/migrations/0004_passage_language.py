"""Let passages say whether they are Chinese, and lie in the table as a search reads them."""

from django.db import migrations, models

_BACKFILL = """
UPDATE knowledge_chunk SET is_chinese = true
WHERE 0.85 * char_length(regexp_replace(text, '[^\u3400-\u9fff\uf900-\ufaff]', '', 'g'))
    >= 0.15 * char_length(regexp_replace(text, '[^A-Za-z]', '', 'g')) / 4.0
  AND text ~ '[\u3400-\u9fff\uf900-\ufaff]'
"""

# Every vector behind the filter is read, of the text only what is shown: the vector stays in the
# row, and what is large besides moves out of it.
_LAYOUT = """
ALTER TABLE knowledge_chunk ALTER COLUMN embedding SET STORAGE MAIN;
ALTER TABLE knowledge_chunk SET (toast_tuple_target = 128);
"""
_LAYOUT_BEFORE = """
ALTER TABLE knowledge_chunk ALTER COLUMN embedding SET STORAGE EXTERNAL;
ALTER TABLE knowledge_chunk RESET (toast_tuple_target);
"""


class Migration(migrations.Migration):
    dependencies = [("knowledge", "0003_indexed_version")]

    operations = [
        migrations.AddField(
            "chunk",
            "is_chinese",
            models.BooleanField(
                default=False,
                help_text="Words of a question in another language cannot match it.",
                verbose_name="Chinese",
            ),
        ),
        migrations.RunSQL(_LAYOUT, _LAYOUT_BEFORE),
        migrations.RunSQL(_BACKFILL, migrations.RunSQL.noop),
    ]
