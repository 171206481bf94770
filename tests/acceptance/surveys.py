"""A source that a user might add: answers to surveys, which a vendor's tool keeps in the shop's database as text."""

from __future__ import annotations

import json
from typing import Any

import psycopg2

from demo.enterprise import READER
from demo.machine import SHOP_SECRET, Machine
from tests.end_to_end.world import DAYS, client

NAME = "surveys"
COUNT = 60
FILE = """
name: surveys
description: Answers to the shop's surveys, as the tool of a vendor keeps them.
kind: dms
database: shop
schema: surveys
timezone: UTC
tables:
  answers:
    description: One row an answered survey.
    load: append
    window_column: answered_at
    key: [answer_id]
    changed_at: answered_at
    extra_columns: quarantine
    person:
      first_seen_at: answered_at
      changed_at: answered_at
      email: email
      first_name: first_name
      last_name: last_name
      country: country
      account_link: {source: shop, column: customer}
    columns:
      answer_id: {type: bigint, required: true, min: 1, description: The answer's number.}
      answered_at: {type: timestamp, required: true, description: When it was given.}
      customer: {type: string, max_length: 20, pii: account, description: The shop's number of who answered.}
      email: {type: string, max_length: 320, pii: email, description: Where the survey was sent.}
      first_name: {type: string, max_length: 200, pii: name, description: Given name.}
      last_name: {type: string, max_length: 200, pii: name, description: Family name.}
      country: {type: string, pattern: "^[A-Z][A-Z]$", description: ISO 3166-1 alpha-2 code.}
      score: {type: smallint, min: 0, max: 10, description: How likely they are to recommend the shop.}
      channel: {type: string, enum: [mail, app], description: How it was asked for.}
      answers: {type: string, format: json, description: What was answered to each question.}
"""
TABLE = """
create schema surveys;
create table surveys.answers (
    answer_id text, answered_at timestamp, customer text, email text, first_name text, last_name text, country text,
    score text, channel text, answers text
);
"""
# Answers of the shop's first customers, spread over the days, the later of the hours first.
ROWS = """
insert into surveys.answers
select row_number() over (order by customer_id)::text,
    cast(%(first)s as timestamp) + mod(row_number() over (order by customer_id), %(days)s) * interval '1 day'
        + mod(customer_id * 7919, 86399) * interval '1 second',
    customer_id::text, email, first_name, last_name, country,
    mod(customer_id, 11)::text, case mod(customer_id, 2) when 0 then 'mail' else 'app' end,
    json_build_object('why', 'Größe ' || customer_id, 'again', mod(customer_id, 3) = 0)::text
from public.customers
order by customer_id
limit %(count)s
"""


def connect(machine: Machine) -> Any:
    """The shop's database as its owner."""
    found = json.loads(machine.run("demo", "status", "--json"))
    connection = psycopg2.connect(
        host=found["host"], port=found["port"], user=found["user"], password=found["password"], dbname=found["database"]
    )
    connection.autocommit = True
    return connection


def fill(machine: Machine) -> None:
    """The table with its answers, readable by the platform's user, whose login is a secret of the source."""
    connection = connect(machine)
    with connection.cursor() as cursor:
        cursor.execute(TABLE)
        cursor.execute(ROWS, {"first": DAYS[0], "days": len(DAYS), "count": COUNT})
        cursor.execute(f"grant usage on schema surveys to {READER}; grant select on surveys.answers to {READER}")
    connection.close()
    secrets = client(machine, "secretsmanager")
    login = secrets.get_secret_value(SecretId=SHOP_SECRET)["SecretString"]
    secrets.create_secret(Name=f"cdap/sources/{NAME}", SecretString=login)
