/**
 * Maps the claims of a verified token to a user, by claim names or by CEL expressions.
 *
 * Source: apiserver `plugin/pkg/authenticator/token/oidc/oidc.go` (getUsername, getGroups, getUID, getExtra, checkValidationRulesEvaluation).
 */
import { ownValue } from '#api/own-value.ts';
import type { ExpressionValue } from '../../expressions/expression.ts';
import { ExpressionError } from '../../expressions/expression.ts';
import type { UserInfo } from '../../registry/strategy.ts';
import { AuthenticationError } from '../authenticator.ts';
import type { JwtIssuer, ValidationRule } from './jwt-issuer.ts';

/** The decoded payload of a JSON Web Token (RFC 7519). It is untrusted input: types must be checked. */
export type Claims = Record<string, unknown>;

const fail = (text: string, cause?: unknown): never => {
  throw new AuthenticationError(`oidc: ${text}`, { cause });
};

/** @throws AuthenticationError if the claims do not yield a valid user */
export function userOf(claims: Claims, issuer: JwtIssuer): UserInfo {
  const user: UserInfo = {
    name: usernameOf(claims, issuer.username),
    groups: groupsOf(claims, issuer.groups),
    ...uidOf(claims, issuer.uid),
    extra: extraOf(claims, issuer.extra ?? []),
  };
  checkRequired(claims, issuer.requiredClaims);
  checkRules(issuer.claimRules ?? [], claims, 'claim validation expression');
  const { name: username, groups, uid = '', extra } = user;
  checkRules(issuer.userRules ?? [], { username, groups, uid, extra }, 'user info validation rule');
  return user;
}

/** The value of an expression. @param what for the message: `username claim expression` */
function evaluated(what: string, evaluate: () => ExpressionValue): ExpressionValue {
  try {
    return evaluate();
  } catch (error) {
    if (error instanceof ExpressionError) return fail(`error evaluating ${what}: ${error.message}`, error);
    throw error;
  }
}

function usernameOf(claims: Claims, username: JwtIssuer['username']): string {
  if ('expression' in username) {
    const name = evaluated('username claim expression', () => username.expression.evaluate(claims));
    if (typeof name !== 'string')
      return fail('error evaluating username claim expression: username claim expression must return a string');
    return name === '' ? fail('empty username via CEL expression is not allowed') : name;
  }
  const { claim, prefix } = username;
  const name = ownValue(claims, claim);
  if (name === undefined) fail(`parse username claims ${JSON.stringify(claim)}: claim not present`);
  if (typeof name !== 'string') return fail(`parse username claims ${JSON.stringify(claim)}: it is not a string`);
  const verified = claim === 'email' ? ownValue(claims, 'email_verified') : undefined;
  if (verified !== undefined && typeof verified !== 'boolean') fail("parse 'email_verified' claim: it is not a boolean");
  if (verified === false) fail('email not verified');
  return `${prefix}${name}`;
}

/** A claim with a single string is one group. */
function groupsOf(claims: Claims, groups: JwtIssuer['groups']): string[] {
  if (groups === undefined) return [];
  if ('expression' in groups)
    return listOf(
      'group claim expression',
      evaluated('group claim expression', () => groups.expression.evaluate(claims)),
    );
  const value = ownValue(claims, groups.claim);
  if (value === undefined || value === null) return [];
  const list: unknown[] = typeof value === 'string' ? [value] : Array.isArray(value) ? value : [undefined];
  if (!list.every((group) => typeof group === 'string'))
    return fail(`parse groups claim ${JSON.stringify(groups.claim)}: it is neither a string nor a list of strings`);
  return list.map((group) => `${groups.prefix}${group}`);
}

/** Empty strings are left out. */
function listOf(what: string, value: ExpressionValue): string[] {
  if (value === null) return [];
  const list = typeof value === 'string' ? [value] : value;
  if (!Array.isArray(list) || !list.every((one) => typeof one === 'string'))
    return fail(`error evaluating ${what}: expression must return a string or a list of strings`);
  return list.filter((one) => one !== '');
}

function uidOf(claims: Claims, uid: JwtIssuer['uid']): { uid?: string } {
  if (uid === undefined) return {};
  if ('expression' in uid) {
    const value = evaluated('uid claim expression', () => uid.expression.evaluate(claims));
    if (typeof value !== 'string')
      return fail('error evaluating uid claim expression: uid claim expression must return a string');
    return value === '' ? {} : { uid: value };
  }
  const value = ownValue(claims, uid.claim);
  if (value === undefined) fail(`parse uid claim ${JSON.stringify(uid.claim)}: claim not present`);
  return typeof value === 'string' ? { uid: value } : fail(`parse uid claim ${JSON.stringify(uid.claim)}: it is not a string`);
}

function extraOf(claims: Claims, mappings: NonNullable<JwtIssuer['extra']>): Record<string, string[]> {
  const jti = ownValue(claims, 'jti');
  const entries: [key: string, values: string[]][] =
    typeof jti === 'string' && jti !== '' ? [['authentication.kubernetes.io/credential-id', [`JTI=${jti}`]]] : [];
  for (const { key, expression } of mappings) {
    const what = 'extra claim expression';
    const values = listOf(
      `${what}: ${expression.source}`,
      evaluated(what, () => expression.evaluate(claims)),
    );
    if (values.length > 0) entries.push([key, values]);
  }
  // A Map, because a key may be `__proto__`.
  return Object.fromEntries(entries);
}

function checkRequired(claims: Claims, wanted: ReadonlyMap<string, string>): void {
  for (const [claim, text] of wanted) {
    const value = ownValue(claims, claim);
    if (value === undefined) fail(`required claim ${claim} not present in ID token`);
    if (typeof value !== 'string') fail(`parse claim ${claim}: it is not a string`);
    if (value !== text) fail(`required claim ${claim} value does not match. Got = ${String(value)}, want = ${text}`);
  }
}

function checkRules(rules: readonly ValidationRule[], about: unknown, what: string): void {
  for (const { expression, message } of rules) {
    const value = evaluated(what, () => expression.evaluate(about));
    if (typeof value !== 'boolean') fail(`error evaluating ${what}: validation expression must return a boolean`);
    if (value === false) fail(`error evaluating ${what}: validation expression '${expression.source}' failed: ${message}`);
  }
}
