// Invoices as callers see them, and what the billing job takes and gives.
import { z } from "@hono/zod-openapi";
import { pageQuery } from "../../http/paging.ts";
import { decimal, month, rowFields } from "../fields.ts";

export const invoice = z.object({
  ...rowFields,
  number: z.int().openapi({ description: "Counted up in the tenant" }),
  meter_id: z.uuid(),
  renter_id: z.uuid().nullable().openapi({ description: "Who rented the property at the end of the month" }),
  month,
  currency: z.string(),
  subtotal: decimal.openapi({ description: "Exact sum of the items" }),
  total: decimal.openapi({ description: "The sum rounded half-up to cents, once", example: "25.75" }),
}).openapi("Invoice");
/** A row of tenant.invoices. */
export type Invoice = z.output<typeof invoice>;

export const invoiceWithItems = invoice.extend({
  items: z.array(z.object({ zone: z.string(), quantity: decimal, unit_price: decimal, amount: decimal })),
}).openapi("InvoiceWithItems");
/** An invoice with its lines. */
export type InvoiceWithItems = z.output<typeof invoiceWithItems>;

export const invoiceQuery = pageQuery({
  sort: ["number", "month", "created_at"],
  filters: { month: month.optional(), meter_id: z.uuid().optional(), renter_id: z.uuid().optional() },
});
export type InvoiceQuery = z.output<typeof invoiceQuery>;

export const invoiceRun = z.strictObject({
  month,
  meter_id: z.uuid().optional().openapi({ description: "Bill this meter only" }),
}).openapi("InvoiceRun");
export type InvoiceRun = z.output<typeof invoiceRun>;

export const jobStarted = z.object({
  job_id: z.uuid().openapi({ description: "See `/v1/jobs/{id}`" }),
}).openapi("JobStarted");

/** Why a meter was not billed. */
export type BillingProblem = "no_tariff" | "tariff_mismatch" | "tariff_not_valid" | "no_zone" | "unknown_zone";

/** One meter that was not billed, or not wholly understood: it gets no invoice until this is put right. */
export interface MeterProblem {
  meter_id: string;
  serial_number: string;
  problem: BillingProblem;
  detail: string;
}

/** What the job leaves in its result. */
export interface BillingResult {
  month: string;
  /** Invoices that were made or changed. */
  invoices: number;
  /** Invoices that were right already. */
  unchanged: number;
  /** Meters without an invoice, the first 1,000. */
  problems: MeterProblem[];
  problems_total: number;
}
