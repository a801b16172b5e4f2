/** JSON values as the API carries them, and the two scalar types that JSON writes in more than one way. */

export type JsonValue = string | number | boolean | null | JsonValue[] | JsonObject;
export interface JsonObject {
  [key: string]: JsonValue | undefined;
}

/** A resource quantity such as `100m`, `128Mi` or `2`; a bare number is accepted on input. See quantity.ts. */
export type Quantity = string | number;

/** A number, or a name or percentage (`"http"`, `"25%"`). */
export type IntOrString = number | string;

/** An object that is no array and not null. */
export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
