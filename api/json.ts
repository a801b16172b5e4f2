/** JSON values of the API, and the two scalar types that JSON may write as a number or a string. */

/** Any JSON value. */
export type JsonValue = string | number | boolean | null | JsonValue[] | JsonObject;
/** A JSON object. */
export interface JsonObject {
  [key: string]: JsonValue | undefined;
}

/** A resource quantity such as `100m`, `128Mi` or `2`. Input may also be a plain number. See quantity.ts. */
export type Quantity = string | number;

/** A number, a name or a percentage: `80`, `"http"`, `"25%"`. */
export type IntOrString = number | string;

/** Whether the value is an object: neither an array nor null. */
export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
