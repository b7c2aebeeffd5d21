// The API of invoices. They are made by the job invoices.run and cannot be written by hand.
import { pageOf, toPage } from "../../http/paging.ts";
import { route } from "../../http/route.ts";
import { byId } from "../fields.ts";
import { getMeter } from "../meters/queries.ts";
import { invoice, invoiceQuery, invoiceRun, invoiceWithItems, jobStarted } from "./model.ts";
import { getInvoice, listInvoices } from "./queries.ts";

const tag = "Invoices";

export const run = route({
  operation: "invoices.run",
  method: "post",
  path: "/v1/invoices/run",
  summary: "Bill a month",
  description:
    "Starts a job that bills every meter with readings in the month by zone, with the prices that held on each " +
    "day. Sums are exact; the total is rounded half-up to cents, once. Running it again changes nothing unless readings " +
    "changed. A meter whose readings cannot all be priced gets no invoice; the job's result names it with the reason.",
  tag,
  can: "invoices.run",
  body: invoiceRun,
  idempotent: true,
  status: 202,
  answer: jobStarted,
  handler: (call) =>
    call.asTenant(async (tx) => {
      if (call.body.meter_id) await getMeter(tx, call.body.meter_id);
      const { id } = await call.enqueue(tx, "invoices.run", call.body);
      return { job_id: id };
    }),
});

export const list = route({
  operation: "invoices.list",
  method: "get",
  path: "/v1/invoices",
  summary: "List invoices",
  tag,
  can: "invoices.view",
  query: invoiceQuery,
  answer: pageOf(invoice),
  handler: async (call) => {
    const rows = await call.asTenant((tx) => listInvoices(tx, call.query));
    return toPage(rows, call.query, (row, sort) => {
      const key = { number: String(row.number), month: `${row.month}-01`, created_at: row.created_at }[sort];
      return [key ?? "", row.id];
    });
  },
});

export const get = route({
  operation: "invoices.get",
  method: "get",
  path: "/v1/invoices/{id}",
  summary: "Show an invoice with its items",
  tag,
  can: "invoices.view",
  params: byId,
  answer: invoiceWithItems,
  handler: (call) => call.asTenant((tx) => getInvoice(tx, call.params.id)),
});

export const routes = [run, list, get];
