/** Shared code of all reviews: the request object is decoded, validated and admitted, and the answer is the same object with a status. */
import type { FieldError } from '#api/field-error.ts';
import type { JsonObject } from '#api/json.ts';
import { reviewResources } from '#api/review-resources.ts';
import { invalid } from '#api/status.ts';
import type { UserInfo } from '../registry/strategy.ts';
import { admitted } from '../rest/admitted.ts';
import type { CreateOnlyExchange, CreateOnlyKind } from '../rest/create-only.ts';
import { writeContext } from '../rest/exchange.ts';
import { objectResponse } from '../rest/responses.ts';
import { readObject } from '../rest/write-handlers.ts';

/** The declaration of a review in its room. */
export interface ReviewDeclaration {
  /** `TokenReview`: a kind of `api/review-resources.ts`. */
  kind: string;
  /** Validates the request object. Absent: every one is valid. @param namespace the namespace in the URL */
  validate?(asked: JsonObject, namespace: string): FieldError[];
  /** The fields of the answer that differ from the request: `status`, and fields that upstream does not repeat. @throws ApiError */
  answer(exchange: CreateOnlyExchange, asked: JsonObject): Promise<JsonObject>;
}

/** Makes the kind of a declaration. @throws Error for a kind that is in no row */
export function defineReview({ kind, validate, answer }: ReviewDeclaration): CreateOnlyKind {
  const resource = reviewResources.find((row) => row.kind === kind);
  if (resource === undefined) throw new Error(`api/review-resources.ts has no row for ${kind}`);
  const { group, version, schema } = resource;
  return {
    resource,
    async create(exchange) {
      const { info, accepted, pretty } = exchange;
      const expected = { apiVersion: `${group}/${version}`, kind, type: schema };
      const question = await readObject(exchange, expected, 'CreateOptions');
      const asked = question as unknown as JsonObject;
      const context = writeContext(exchange, 'CreateOptions');
      const errors = validate?.(asked, info.namespace) ?? [];
      if (errors.length > 0) throw invalid({ group, name: kind }, '', errors);
      await (await admitted(exchange, resource, question, context)).validate();
      const different = await answer(exchange, asked);
      return objectResponse(201, { ...asked, ...different }, accepted.format, pretty);
    },
  };
}

/** A user as the API writes it. Source: kubernetes `staging/src/k8s.io/api/authentication/v1/types.go` (UserInfo). */
export function wireUser({ name, uid, groups, extra }: UserInfo): JsonObject {
  return {
    username: name,
    ...(uid === undefined ? {} : { uid }),
    ...(groups.length === 0 ? {} : { groups: [...groups] }),
    ...(Object.keys(extra).length === 0
      ? {}
      : { extra: Object.fromEntries(Object.entries(extra).map(([key, list]) => [key, [...list]])) }),
  };
}
