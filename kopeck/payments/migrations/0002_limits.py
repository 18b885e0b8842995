import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0001_initial'),
        ('payments', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Attack',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('began', models.DateTimeField(auto_now_add=True, verbose_name='began')),
                ('until', models.DateTimeField(verbose_name='until')),
                ('ended', models.DateTimeField(blank=True, null=True, verbose_name='ended')),
                ('declines', models.PositiveIntegerField(verbose_name='declined in ten minutes')),
                ('paid', models.PositiveIntegerField(verbose_name='paid in ten minutes')),
            ],
            options={
                'verbose_name': 'card testing attack',
                'verbose_name_plural': 'card testing attacks',
                'ordering': ['-pk'],
            },
        ),
        migrations.CreateModel(
            name='Budget',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=80)),
                ('began', models.DateTimeField()),
                ('count', models.PositiveIntegerField()),
            ],
            options={
                'verbose_name': 'budget',
                'verbose_name_plural': 'budgets',
            },
        ),
        migrations.CreateModel(
            name='Decline',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('account', models.CharField(max_length=20, verbose_name='Stripe account')),
                ('stripe_id', models.CharField(max_length=255, verbose_name="Stripe's id")),
                ('visitor', models.CharField(blank=True, max_length=64)),
                ('address', models.CharField(blank=True, max_length=64, verbose_name='address (hashed)')),
                ('code', models.CharField(blank=True, max_length=100, verbose_name='code')),
                ('created', models.DateTimeField(verbose_name='declined')),
            ],
            options={
                'verbose_name': 'declined card',
                'verbose_name_plural': 'declined cards',
                'ordering': ['-pk'],
            },
        ),
        migrations.AddField(
            model_name='payment',
            name='asked_from',
            field=models.CharField(blank=True, db_default='', max_length=64),
        ),
        migrations.AddIndex(
            model_name='payment',
            index=models.Index(condition=models.Q(('paid_at__isnull', False)), fields=['paid_at'], name='payments_by_time_paid'),
        ),
        migrations.AddConstraint(
            model_name='attack',
            constraint=models.UniqueConstraint(condition=models.Q(('ended__isnull', True)), fields=('ended',), name='one_attack_at_a_time', nulls_distinct=False),
        ),
        migrations.AddIndex(
            model_name='budget',
            index=models.Index(fields=['began'], name='budgets_by_age'),
        ),
        migrations.AddConstraint(
            model_name='budget',
            constraint=models.UniqueConstraint(fields=('key', 'began'), name='a_budget_has_one_row_a_window'),
        ),
        migrations.AddField(
            model_name='decline',
            name='order',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='orders.order', verbose_name='order'),
        ),
        migrations.AddIndex(
            model_name='decline',
            index=models.Index(fields=['created'], name='declines_by_time'),
        ),
        migrations.AddConstraint(
            model_name='decline',
            constraint=models.UniqueConstraint(fields=('account', 'stripe_id'), name='a_decline_is_counted_once'),
        ),
    ]
