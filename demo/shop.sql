-- The shop's operational tables. Timestamps are in UTC, without zone. There are no foreign keys: a customer may be
-- deleted and the orders stay.
create table if not exists public.customers (
    customer_id bigint primary key,
    email varchar(254),
    phone varchar(40),
    first_name varchar(100),
    last_name varchar(100),
    birth_date date,
    street varchar(200),
    city varchar(100),
    postcode varchar(20),
    country varchar(2),
    marketing_consent boolean not null,
    registered_at timestamp not null,
    updated_at timestamp not null
);

create table if not exists public.orders (
    order_id bigint primary key,
    customer_id bigint not null,
    ordered_at timestamp not null,
    status varchar(20) not null check (status in ('completed', 'cancelled', 'returned')),
    currency varchar(3) not null,
    total_amount numeric(12, 2) not null,
    channel varchar(20) not null check (channel in ('web', 'app', 'store'))
);
create index if not exists orders_ordered_at on public.orders (ordered_at);

create table if not exists public.order_items (
    order_item_id bigint primary key,
    order_id bigint not null,
    product_id bigint not null,
    ordered_at timestamp not null,
    quantity integer not null,
    line_amount numeric(12, 2) not null
);
create index if not exists order_items_ordered_at on public.order_items (ordered_at);

create table if not exists public.products (
    product_id bigint primary key,
    name varchar(200) not null,
    category varchar(100) not null,
    list_price numeric(12, 2) not null,
    updated_at timestamp not null
);

create table if not exists public.subscriptions (
    subscription_id bigint primary key,
    customer_id bigint not null,
    plan varchar(40) not null,
    status varchar(20) not null check (status in ('active', 'paused', 'cancelled')),
    started_at timestamp not null,
    ended_at timestamp,
    updated_at timestamp not null
);

-- What the tables were filled from. Not the shop's business, hence a schema that its reader cannot see.
create schema if not exists demo;

create table if not exists demo.contents (
    one boolean primary key default true check (one),
    kind varchar(20) not null check (kind in ('generated', 'cdnow')),
    customers bigint not null,
    days integer not null,
    end_day date not null,
    seed bigint not null,
    through date not null
);
