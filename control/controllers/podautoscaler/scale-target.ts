/**
 * What an autoscaler scales: the scale of its target, and the target's pods.
 *
 * Source: kubernetes `pkg/controller/podautoscaler/horizontal.go` (reconcileAutoscaler, validateAndParseSelector).
 */
import { errorText } from '#api/error-text.ts';
import { keyToName } from '#api/meta.ts';
import { toNumber } from '#api/quantity.ts';
import type { Resource } from '#api/resources.ts';
import { type LabelMatcher, matchesLabels, parseLabelSelector } from '#api/selector.ts';
import type { AutoscalingV2HorizontalPodAutoscaler as Autoscaler, Pod, Scale } from '#api/types.generated.ts';
import type { ControllerDeps } from '#client/controller.ts';
import type { AutoscalerStatus } from './autoscaler-status.ts';
import type { HorizontalOptions } from './horizontal-options.ts';
import type { Target } from './metric-proposal.ts';
import type { Failure } from './monitor.ts';
import type { Tolerances } from './replica-calculator.ts';
import { NoProposalError, ScalingError } from './scaling-error.ts';
import type { History } from './stabilisation.ts';

/** The state that the controller keeps per autoscaler. */
export interface Known {
  history: History;
  /** Matches the target's pods. Undefined before the scale was read. */
  matcher: LabelMatcher | undefined;
  /** When the autoscaler is reconciled next: once per period, even if it changes more often. */
  nextMs: number;
}

/** The inputs of {@link targetOf}. */
export interface TargetInputs {
  deps: Pick<ControllerDeps, 'caches' | 'clock'>;
  options: HorizontalOptions;
  known: Known;
  /** All autoscalers, by key. */
  all: ReadonlyMap<string, Known>;
  hpa: Autoscaler;
  status: AutoscalerStatus;
}

/** Reads the scale of an autoscaler's target. @throws ScalingError after the conditions have been written */
export async function readScale(
  { client, catalog }: Pick<ControllerDeps, 'client' | 'catalog'>,
  { metadata, spec }: Autoscaler,
  status: AutoscalerStatus,
  reference: string,
): Promise<{ row: Resource; scale: Scale }> {
  const { apiVersion = '', kind, name } = spec.scaleTargetRef;
  const fail = async (error: unknown, words: string, failure: Failure): Promise<never> => {
    const text = errorText(error);
    status.event('Warning', 'FailedGetScale', text);
    status.set(
      'AbleToScale',
      'False',
      'FailedGetScale',
      `the HPA controller was unable to get the target's current scale: ${text}`,
    );
    await status.writeConditions();
    throw new ScalingError(`${words}: ${text}`, failure, { cause: error });
  };
  const parts = apiVersion.split('/');
  if (parts.length > 2)
    return await fail(
      new Error(`unexpected GroupVersion string: ${apiVersion}`),
      'invalid API version in scale target reference',
      'spec',
    );
  const group = parts.length === 2 ? (parts[0] ?? '') : '';
  const rows = catalog.all().filter((one) => one.kind === kind && one.group === group && one.announced);
  if (rows.length === 0)
    return await fail(
      new Error(`no matches for kind ${JSON.stringify(kind)} in group ${JSON.stringify(group)}`),
      'unable to determine resource for scale target reference',
      'internal',
    );
  let first: unknown;
  for (const row of rows) {
    try {
      return { row, scale: await client.getScale(row, { namespace: metadata.namespace ?? '', name }) };
    } catch (error) {
      first ??= error;
    }
  }
  return await fail(first, `failed to query scale subresource for ${reference}`, 'internal');
}

/** The pods of a scale. @throws NoProposalError when the scale's selector cannot be used */
export function targetOf({ deps, options, known, all, hpa, status }: TargetInputs, scale: Scale): Target {
  const { namespace = '' } = hpa.metadata;
  const selector = scale.status?.selector ?? '';
  const fail = (reason: string, text: string, condition: { reason: string; message: string }): never => {
    status.event('Warning', reason, text);
    status.set('ScalingActive', 'False', condition.reason, condition.message);
    throw new NoProposalError(text, [], 'internal');
  };
  if (selector === '')
    return fail('SelectorRequired', 'selector is required', {
      reason: 'InvalidSelector',
      message: "the HPA target's scale is missing a selector",
    });
  let matcher: LabelMatcher;
  try {
    matcher = parseLabelSelector(selector);
  } catch (error) {
    const text = `couldn't convert selector into a corresponding internal selector object: ${errorText(error)}`;
    return fail('InvalidSelector', text, { reason: 'InvalidSelector', message: text });
  }
  known.matcher = matcher;
  const pods = deps.caches
    .cache('pods')
    .list(namespace)
    .filter(({ metadata: { labels = {} } }) => matchesLabels(matcher, labels));
  const others = alsoControlling(all, namespace, pods);
  if (others.length > 1) {
    const text = `pods by selector ${selector} are controlled by multiple HPAs: [${others.join(' ')}]`;
    return fail('AmbiguousSelector', text, { reason: 'AmbiguousSelector', message: text });
  }
  const { cpuInitializationPeriodMs, initialReadinessDelayMs } = options;
  return {
    namespace,
    selector,
    specReplicas: scale.spec?.replicas ?? 0,
    statusReplicas: scale.status?.replicas ?? 0,
    facts: { pods, nowMs: deps.clock.now(), cpuInitializationPeriodMs, initialReadinessDelayMs },
    tolerances: tolerancesOf(hpa, options),
  };
}

/** The autoscalers that select one of these pods, including this one, as Go prints their keys. */
function alsoControlling(all: ReadonlyMap<string, Known>, own: string, pods: readonly Pod[]): string[] {
  const found: string[] = [];
  for (const [key, { matcher }] of all) {
    const { namespace = '', name } = keyToName(key);
    if (matcher === undefined || namespace !== own) continue;
    if (pods.some(({ metadata: { labels = {} } }) => matchesLabels(matcher, labels))) found.push(`{${name} ${namespace}}`);
  }
  return found.sort();
}

function tolerancesOf({ spec }: Autoscaler, { tolerance }: HorizontalOptions): Tolerances {
  const { scaleUp, scaleDown } = spec.behavior ?? {};
  return {
    up: scaleUp?.tolerance === undefined ? tolerance : toNumber(scaleUp.tolerance),
    down: scaleDown?.tolerance === undefined ? tolerance : toNumber(scaleDown.tolerance),
  };
}
