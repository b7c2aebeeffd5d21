// Statements on invoices. Row-level security narrows each to the entered tenant; none of them names it.
import { sql, type Tx } from "../../db/sql.ts";
import { page } from "../../http/paging.ts";
import { all, equals, one } from "../statements.ts";
import type { Invoice, InvoiceQuery, InvoiceWithItems } from "./model.ts";

const columns = sql`id, number, meter_id, renter_id, to_char(month, 'YYYY-MM') as month, currency,
  trim_scale(subtotal) as subtotal, total, created_at, updated_at`;

/** One page of invoices, and one row more if there are any. */
export function listInvoices(tx: Tx, query: InvoiceQuery) {
  const { where, orderBy, limit } = page(query, {
    columns: { number: sql`number`, month: sql`invoices.month`, created_at: sql`created_at` },
    id: sql`id`,
  });
  const wanted = all([
    query.month === undefined ? sql`true` : sql`invoices.month = ${`${query.month}-01`}`,
    equals(sql`meter_id`, query.meter_id),
    equals(sql`renter_id`, query.renter_id),
    where,
  ]);
  return tx<Invoice>`select ${columns} from tenant.invoices where ${wanted} order by ${orderBy} limit ${limit}`;
}

/** One invoice with its items; throws `not_found`. */
export function getInvoice(tx: Tx, id: string) {
  return tx<InvoiceWithItems>`
    select ${columns}, coalesce((
      select json_agg(json_build_object('zone', x.zone, 'quantity', trim_scale(x.quantity)::text,
        'unit_price', trim_scale(x.unit_price)::text, 'amount', trim_scale(x.amount)::text) order by x.zone, x.unit_price)
      from tenant.invoice_items x where x.invoice_id = invoices.id), '[]') as items
    from tenant.invoices where id = ${id}`.map(one);
}
