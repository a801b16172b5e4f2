/**
 * MutatingAdmissionWebhook and ValidatingAdmissionWebhook: call webhooks for a request, over HTTPS.
 *
 * Source: apiserver `pkg/admission/plugin/webhook/{mutating,validating}/dispatcher.go`.
 */
import { randomUUID } from 'node:crypto';
import { decodeJson } from '#api/codec/json.ts';
import { errorText } from '#api/error-text.ts';
import { stringifyExact } from '#api/int64.ts';
import type { JsonObject } from '#api/json.ts';
import { type KubeObject, sameJson } from '#api/meta.ts';
import { typeForKind } from '#api/schema/facts.ts';
import { ApiError, internalError } from '#api/status.ts';
import type {
  MutatingWebhook,
  MutatingWebhookConfiguration,
  ValidatingWebhook,
  ValidatingWebhookConfiguration,
} from '#api/types.generated.ts';
import { applyJsonPatch } from '../../patch/json-patch.ts';
import type { AdmissionMetrics } from '../admission-metrics.ts';
import { type AdmissionRequest, admissionRequest, type Shown, typed } from '../admission-request.ts';
import type { AdmissionAttributes, AdmissionContext, AdmissionPlugin } from '../plugin.ts';
import { dryRunUnsupported, readVerdict, refusal, reviewOf, reviewVersion, type Verdict } from '../webhooks/review.ts';
import { WebhookCallError, type WebhookCaller } from '../webhooks/webhook-call.ts';
import { isExempt, type MatchDeps, shownBack, shownTo, type ToldRequest } from '../webhooks/webhook-matching.ts';

/** What both plugins need to match and call webhooks. */
export interface WebhookDeps extends MatchDeps {
  caller: WebhookCaller;
  /** Absent: nothing is counted. */
  metrics?: AdmissionMetrics | undefined;
}

type Webhook = MutatingWebhook | ValidatingWebhook;

/** Calls one webhook. @throws ApiError if it refuses, or fails with the policy Fail */
async function ask(
  webhook: Webhook,
  isMutating: boolean,
  shown: Shown,
  attributes: AdmissionAttributes,
  context: AdmissionContext,
  { caller, metrics }: WebhookDeps,
  place: string,
): Promise<{ verdict: Verdict; request: AdmissionRequest } | undefined> {
  const { name, sideEffects, timeoutSeconds = 10, clientConfig, admissionReviewVersions } = webhook;
  if (attributes.dryRun && sideEffects !== 'None' && sideEffects !== 'NoneOnDryRun') throw dryRunUnsupported(name);
  const begunMs = performance.now();
  const count = (code: number, error: string): void =>
    metrics?.webhook(name, isMutating, attributes.operation, code, error, (performance.now() - begunMs) / 1000);
  try {
    const version = reviewVersion(admissionReviewVersions);
    const request = admissionRequest(attributes, shown, randomUUID());
    const text = await caller.post(clientConfig, stringifyExact(reviewOf(version, request)), timeoutSeconds * 1000, context);
    const verdict = readVerdict(text, version, request.uid, isMutating);
    for (const warning of verdict.warnings) context.warn(warning);
    for (const [key, value] of Object.entries(verdict.auditAnnotations)) context.annotate(`${name}/${key}`, value);
    const refused = verdict.allowed ? undefined : refusal(name, verdict);
    count(refused?.code ?? 200, 'no_error');
    if (refused !== undefined) throw refused;
    return { verdict, request };
  } catch (error) {
    if (!(error instanceof WebhookCallError)) throw error;
    if (webhook.failurePolicy === 'Ignore') {
      context.annotate(`failed-open.${place}`, name);
      metrics?.failedOpen(name, isMutating);
      count(200, 'no_error');
      return undefined;
    }
    count(500, 'calling_webhook_error');
    const why =
      error.message.startsWith('received ') || error.message.startsWith('could not ')
        ? error.message
        : `failed to call webhook: ${error.message}`;
    throw internalError(`failed calling webhook ${JSON.stringify(name)}: ${why}`);
  }
}

/** The state of one request for reinvocation. */
interface Round {
  /** Whether a webhook has changed the object. */
  hasChanged: boolean;
  /** After the webhooks of the first round. */
  output: string;
  /** Webhooks with the reinvocationPolicy IfNeeded. */
  again: Set<string>;
  /** The names of webhooks to call in the second round. */
  toAsk: Set<string>;
}

/**
 * Calls the matching MutatingWebhookConfigurations' webhooks one after the other and applies their patches. @throws (its methods)
 * ApiError when a webhook denies, or fails under `failurePolicy: Fail`
 */
export function mutatingAdmissionWebhook(deps: WebhookDeps): AdmissionPlugin {
  const rounds = new WeakMap<AdmissionAttributes, Round>();
  return {
    name: 'MutatingAdmissionWebhook',
    handles: () => true,
    async mutate(attributes, context) {
      if (isExempt(attributes)) return;
      const configurations = (await context.list(
        'mutatingwebhookconfigurations.admissionregistration.k8s.io',
      )) as readonly MutatingWebhookConfiguration[];
      if (configurations.length === 0) return;
      const first = rounds.get(attributes);
      const round: Round = first ?? { hasChanged: false, output: '', again: new Set(), toAsk: new Set() };
      // Plugins of this server have changed the object since, so all webhooks with IfNeeded are called.
      if (first !== undefined && first.again.size > 0 && stringifyExact(attributes.object) !== first.output)
        for (const uid of first.again) first.toAsk.add(uid);
      let told: ToldRequest = {};
      let index = -1;
      for (const { metadata, webhooks = [] } of configurations) {
        for (const webhook of webhooks) {
          index++;
          const uid = `${metadata.name}/${webhook.name}`;
          if (first !== undefined && !first.toAsk.has(uid)) continue;
          const shown = await shownTo(webhook, attributes, context, deps, told);
          if (shown === undefined) continue;
          const place = `webhook.admission.k8s.io/round_${first === undefined ? 0 : 1}_index_${index}`;
          const answer = await ask(webhook, true, shown, attributes, context, deps, `mutation.${place}`);
          const patch = answer?.verdict.patch;
          const mutated = patch !== undefined && applyPatch(webhook, patch, shown, attributes, deps);
          const named = { configuration: metadata.name, webhook: webhook.name };
          context.annotate(`mutation.${place}`, JSON.stringify({ ...named, mutated }));
          if (mutated) {
            told = {};
            context.annotate(`patch.${place}`, stringifyExact({ ...named, patch, patchType: 'JSONPatch' }), true);
            round.hasChanged = true;
            for (const earlier of round.again) round.toAsk.add(earlier);
          }
          if (webhook.reinvocationPolicy === 'IfNeeded') round.again.add(uid);
        }
      }
      // The copy is only needed if a webhook has IfNeeded.
      if (round.again.size > 0) round.output = stringifyExact(attributes.object);
      rounds.set(attributes, round);
    },
    changedByOthers: (attributes) => rounds.get(attributes)?.hasChanged === true,
  };
}

/** Changes the object in place. @returns whether it has changed @throws ApiError */
function applyPatch(
  webhook: MutatingWebhook,
  patch: unknown,
  shown: Shown,
  attributes: AdmissionAttributes,
  deps: WebhookDeps,
): boolean {
  const { object } = attributes;
  if (Array.isArray(patch) && patch.length === 0) return false;
  if (object === undefined)
    throw internalError(
      `admission webhook ${JSON.stringify(webhook.name)} attempted to modify the object, which is not supported for this operation`,
    );
  const before = shown.convert(object);
  const after = patched(before, patch);
  const result = shownBack(typed(after, shown.kind), shown, attributes, deps.versions);
  if (sameJson(result, object)) return false;
  for (const key of Object.keys(object)) delete (object as unknown as Record<string, unknown>)[key];
  Object.assign(object, result);
  return true;
}

/** @throws ApiError 500 if the patch does not apply, or the result is not an object of this kind */
function patched(object: KubeObject, patch: unknown): KubeObject {
  try {
    const copy = JSON.parse(stringifyExact(object)) as JsonObject;
    const result = applyJsonPatch(copy, patch as JsonObject);
    const type = typeForKind(object.apiVersion, object.kind);
    return (type === undefined ? result : decodeJson(stringifyExact(result), type, 'Ignore').object) as unknown as KubeObject;
  } catch (error) {
    if (error instanceof ApiError) throw internalError(error.message);
    throw internalError(errorText(error));
  }
}

/**
 * Calls the matching ValidatingWebhookConfigurations' webhooks. @throws (its methods) ApiError when one denies, or fails under
 * `failurePolicy: Fail`
 */
export function validatingAdmissionWebhook(deps: WebhookDeps): AdmissionPlugin {
  return {
    name: 'ValidatingAdmissionWebhook',
    handles: () => true,
    async validate(attributes, context) {
      if (isExempt(attributes)) return;
      const configurations = (await context.list(
        'validatingwebhookconfigurations.admissionregistration.k8s.io',
      )) as readonly ValidatingWebhookConfiguration[];
      const calls: { webhook: ValidatingWebhook; shown: Shown }[] = [];
      const told: ToldRequest = {};
      for (const { webhooks = [] } of configurations) {
        for (const webhook of webhooks) {
          const shown = await shownTo(webhook, attributes, context, deps, told);
          if (shown !== undefined) calls.push({ webhook, shown });
        }
      }
      // All are called in parallel. If several refuse, the error of the first is returned.
      const asked = calls.map(({ webhook, shown }, index) =>
        ask(webhook, false, shown, attributes, context, deps, `validation.webhook.admission.k8s.io/round_0_index_${index}`),
      );
      for (const result of await Promise.allSettled(asked)) if (result.status === 'rejected') throw result.reason;
    },
  };
}
