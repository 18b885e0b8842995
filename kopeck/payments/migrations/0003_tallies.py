from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0002_limits'),
    ]

    operations = [
        migrations.CreateModel(
            name='Tally',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=20, verbose_name='name')),
                ('label', models.CharField(max_length=20, verbose_name='label')),
                ('value', models.BigIntegerField(verbose_name='value')),
                ('until', models.DateTimeField(verbose_name='until')),
            ],
            options={
                'verbose_name': 'tally',
                'verbose_name_plural': 'tallies',
                'constraints': [models.UniqueConstraint(fields=('name', 'label'), name='a_tally_is_kept_once')],
            },
        ),
    ]
