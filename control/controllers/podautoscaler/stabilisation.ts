/**
 * Turns the recommendation of the metrics into a decision: limits, scaling policies and stabilization windows. Pure, except that it updates
 * the {@link History}.
 *
 * Source: kubernetes `pkg/controller/podautoscaler/horizontal.go` (normalizeDesiredReplicas, …WithBehaviors); KEP-853.
 */
import type { HorizontalPodAutoscalerBehavior, HPAScalingRules } from '#api/types.generated.ts';
import { ceilReplicas, maxInt32 } from './milli-values.ts';

/** The history of one autoscaler. */
export interface History {
  recommendations: { replicas: number; atMs: number }[];
  ups: { change: number; atMs: number }[];
  downs: { change: number; atMs: number }[];
}

/** A recommendation at one time. */
export interface Wish {
  current: number;
  /** The replicas that the metrics recommend. */
  desired: number;
  min: number;
  max: number;
}

/** A decision, with the conditions AbleToScale and ScalingLimited. */
export interface Decision {
  replicas: number;
  able: { reason: string; message: string };
  limited: { status: 'True' | 'False'; reason: string; message: string };
}

const readyForNewScale = { reason: 'ReadyForNewScale', message: 'recommended size matches current size' };
const withinRange = { reason: 'DesiredWithinRange', message: 'the desired count is within the acceptable range' };
const downStabilized = {
  reason: 'ScaleDownStabilized',
  message: 'recent recommendations were higher than current one, applying the highest recent recommendation',
};
const upStabilized = {
  reason: 'ScaleUpStabilized',
  message: 'recent recommendations were lower than current one, applying the lowest recent recommendation',
};
const tooFast = (way: 'increasing' | 'decreasing') => ({
  reason: way === 'increasing' ? 'ScaleUpLimit' : 'ScaleDownLimit',
  message: `the desired replica count is ${way} faster than the maximum scale rate`,
});
const tooMany = { reason: 'TooManyReplicas', message: 'the desired replica count is more than the maximum replica count' };
const tooFew = { reason: 'TooFewReplicas', message: 'the desired replica count is less than the minimum replica count' };

/**
 * The decision for an autoscaler without `behavior`. It scales up to twice the replicas (at least 4) at a time, and down to the highest
 * recommendation within the window.
 */
export function normalize(history: History, wish: Wish, windowMs: number, nowMs: number): Decision {
  const cutoffMs = nowMs - windowMs;
  let stabilized = wish.desired;
  for (const { replicas, atMs } of history.recommendations) if (atMs >= cutoffMs) stabilized = Math.max(stabilized, replicas);
  remember(history.recommendations, { replicas: wish.desired, atMs: nowMs }, cutoffMs);
  const able = stabilized === wish.desired ? readyForNewScale : downStabilized;
  const limit = Math.max(2 * wish.current, 4);
  const [most, tooHigh] = wish.max > limit ? [limit, tooFast('increasing')] : [wish.max, tooMany];
  if (stabilized < wish.min) return { replicas: wish.min, able, limited: { status: 'True', ...tooFew } };
  if (stabilized > most) return { replicas: most, able, limited: { status: 'True', ...tooHigh } };
  return { replicas: stabilized, able, limited: { status: 'False', ...withinRange } };
}

/** The decision for an autoscaler with `behavior`. @param windowMs the default stabilization window of scaling down */
export function normalizeWithBehavior(
  history: History,
  wish: Wish,
  { scaleUp = {}, scaleDown = {} }: HorizontalPodAutoscalerBehavior,
  windowMs: number,
  nowMs: number,
): Decision {
  const stabilized = stabilize(history, wish, scaleUp, scaleDown, windowMs, nowMs);
  const able = stabilized === wish.desired ? readyForNewScale : wish.desired >= wish.current ? upStabilized : downStabilized;
  const { replicas, ...limited } = limitRate(history, { ...wish, desired: stabilized }, scaleUp, scaleDown, nowMs);
  return { replicas, able, limited: { status: replicas === stabilized ? 'False' : 'True', ...limited } };
}

function stabilize(
  { recommendations }: History,
  { current, desired }: Wish,
  scaleUp: HPAScalingRules,
  scaleDown: HPAScalingRules,
  windowMs: number,
  nowMs: number,
): number {
  const upCutoffMs = nowMs - (scaleUp.stabilizationWindowSeconds ?? 0) * 1000;
  const downCutoffMs = nowMs - (scaleDown.stabilizationWindowSeconds ?? windowMs / 1000) * 1000;
  let [up, down] = [desired, desired];
  for (const { replicas, atMs } of recommendations) {
    if (atMs > upCutoffMs) up = Math.min(replicas, up);
    if (atMs > downCutoffMs) down = Math.max(replicas, down);
  }
  remember(recommendations, { replicas: desired, atMs: nowMs }, Math.min(upCutoffMs, downCutoffMs));
  return Math.min(Math.max(current, up), down);
}

/** Adds an entry and drops entries older than `cutoffMs`. */
function remember<T extends { atMs: number }>(list: T[], entry: T, cutoffMs: number): void {
  const kept = list.filter(({ atMs }) => atMs >= cutoffMs);
  list.splice(0, list.length, ...kept, entry);
}

function limitRate(
  history: History,
  { current, desired, min, max }: Wish,
  scaleUp: HPAScalingRules,
  scaleDown: HPAScalingRules,
  nowMs: number,
): { replicas: number; reason: string; message: string } {
  if (desired > current) {
    const limit = Math.max(current, rateLimit(history, current, scaleUp, 1, nowMs));
    const [most, why] = max > limit ? [limit, tooFast('increasing')] : [max, tooMany];
    if (desired > most) return { replicas: most, ...why };
  }
  if (desired < current) {
    const limit = Math.min(current, rateLimit(history, current, scaleDown, -1, nowMs));
    const [least, why] = min < limit ? [limit, tooFast('decreasing')] : [min, tooFew];
    if (desired < least) return { replicas: least, ...why };
  }
  return { replicas: desired, ...withinRange };
}

/** The limit that the policies allow, each counted from the replicas at the start of its period. @param way 1 for up */
function rateLimit(
  history: History,
  current: number,
  { selectPolicy = 'Max', policies = [] }: HPAScalingRules,
  way: 1 | -1,
  nowMs: number,
): number {
  if (selectPolicy === 'Disabled') return current;
  const takesHigher = (selectPolicy === 'Min') === (way === -1);
  const choose = takesHigher ? Math.max : Math.min;
  let result = takesHigher ? -maxInt32 - 1 : maxInt32;
  for (const { type, value, periodSeconds } of policies) {
    const cutoffMs = nowMs - periodSeconds * 1000;
    const changed = (events: History['ups']): number =>
      events.reduce((sum, { change, atMs }) => (atMs > cutoffMs ? sum + change : sum), 0);
    const before = current - changed(history.ups) + changed(history.downs);
    // Round up for a scale up: otherwise a small percentage would never add a pod.
    const percent = way === 1 ? ceilReplicas(before * (1 + value / 100)) : Math.trunc(before * (1 - value / 100));
    result = choose(result, type === 'Pods' ? before + way * value : percent);
  }
  return result;
}

/** Records a scaling event, for the policies. */
export function noteScaled(
  history: History,
  behavior: HorizontalPodAutoscalerBehavior | undefined,
  from: number,
  to: number,
  nowMs: number,
): void {
  if (behavior === undefined) return;
  const [events, rules] = to > from ? [history.ups, behavior.scaleUp] : [history.downs, behavior.scaleDown];
  const longestMs = Math.max(0, ...(rules?.policies ?? []).map(({ periodSeconds }) => periodSeconds * 1000));
  remember(events, { change: Math.abs(to - from), atMs: nowMs }, nowMs - longestMs);
}
