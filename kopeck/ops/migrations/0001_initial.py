from django.db import migrations


class Migration(migrations.Migration):
    """An index that Procrastinate does without: finished jobs are found, and counted, by their status."""

    initial = True

    dependencies = [
        ('procrastinate', '0041_post_retry_failed_job'),
    ]

    operations = [
        migrations.RunSQL(
            'CREATE INDEX jobs_by_status ON procrastinate_jobs (status, id)',
            'DROP INDEX jobs_by_status',
        ),
    ]
