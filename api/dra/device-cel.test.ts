import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DeviceAttribute } from '../types.generated.ts';
import { compileDeviceSelector, DeviceMatchError, DeviceSelectorError, maxSelectorCost } from './device-cel.ts';

const driver = 'dra.example.com';
const of = `device.attributes["${driver}"]`;
const room = `device.capacity["${driver}"]`;

/** Costs are the estimates of upstream 1.36 (`dynamic-resource-allocation/cel/compile_test.go`). */
const matches: [expression: string, cost: number, match: boolean, attributes?: Record<string, DeviceAttribute>][] = [
  ['true', 0, true],
  ['false', 0, false],
  ['"no-such-domain" in device.attributes', 3, false],
  [`"${driver}" in device.attributes`, 3, true, { [`${driver}/some`]: { bool: true } }],
  [`device.driver == "${driver}"`, 4, true],
  [`${of}.name`, 4, true, { name: { bool: true } }],
  [`${of}["name"]`, 4, true, { name: { bool: true } }],
  [`cel.bind(dra, ${of}, dra.name)`, 15, true, { name: { bool: true } }],
  ['device.attributes["other.example.com"].name', 4, true, { 'other.example.com/name': { bool: true } }],
  [`${of}.name > 0`, 5, true, { name: { int: 1 } }],
  [`${of}.name == "fish"`, 5, true, { name: { string: 'fish' } }],
  [`${of}.name.isGreaterThan(semver("0.0.1"))`, 6, true, { name: { version: '1.0.0' } }],
  [`${of}.name.isGreaterThan(semver("v0.0.1", true)) && isSemver("v1.0.0", true)`, 7, true, { name: { version: '1.0.0' } }],
  [`${room}.memory.isGreaterThan(quantity("1Ki"))`, 6, true],
  [`"memory" in ${room} && ${room}.memory.isGreaterThan(quantity("1Ki"))`, 10, true],
  [`!("no" in ${room}) || ${room}.no.isGreaterThan(quantity("1Ki"))`, 11, true],
  [`${of}.a && ${of}.b && ${of}.c`, 12, true, { a: { bool: true }, b: { bool: true }, c: { bool: true } }],
  [`device.attributes.exists_one(x, x == "${driver}")`, 164, true, { some: { string: 'x' } }],
  [`${of}.exists_one(x, x == "services")`, 133, true, { services: { string: 'x' } }],
  [`${of}.services.split("example").size() >= 2`, 19, true, { services: { string: 'some_example_value' } }],
  [`${of}.services.matches("[^a]?sym")`, 18, true, { services: { string: 'asymetric' } }],
  [`device.capacity.exists_one(x, x == "${driver}")`, 164, true],
  [`${room}.exists_one(x, x == "memory")`, 133, true],
  ['device.allowMultipleAllocations == false', 3, true],
];

const wrong: [expression: string, message: RegExp][] = [
  ['?!', /^compilation failed: ERROR: <input>:1:1: Syntax error/],
  ['1', /^must evaluate to bool or the unknown type, not int$/],
  ['dyn(1)', /^must evaluate to bool or the unknown type, not dyn$/],
  ['device.name', /^compilation failed: ERROR: <input>:1:7: undefined field 'name'/],
  ['other.driver == ""', /undeclared reference to 'other'/],
  ['', /^compilation failed: /],
  [`${of}.names.exists(x, x > 0)`, /expression of type 'any' cannot be range of a comprehension/],
  [`${of}.name.includes("fish")`, /undeclared reference to 'includes'/],
];

const failing: [expression: string, message: string, attributes?: Record<string, DeviceAttribute>][] = [
  ['device.attributes["no-such-domain"].noSuchAttr.isGreaterThan(quantity("0"))', 'no such key: noSuchAttr'],
  [`${of}.names`, 'attribute names: unsupported attribute value', { names: { strings: ['fish'] } }],
  [
    `${of}.v == semver("1.0.0")`,
    'attribute v: parse semantic version: No Major.Minor.Patch elements found',
    { v: { version: 'x' } },
  ],
  [`${of}.name`, 'the result is no bool', { name: { int: 1 } }],
];

describe('selectors of devices', () => {
  const device = (
    attributes: Record<string, DeviceAttribute>,
  ): Parameters<ReturnType<typeof compileDeviceSelector>['matches']>[0] => ({
    driver,
    attributes,
    capacity: { memory: { value: '1Mi' } },
  });
  for (const [expression, cost, match, attributes = {}] of matches)
    it(`${expression}: ${match}, at most ${cost}`, () => {
      const selector = compileDeviceSelector(expression);
      assert.equal(selector.maxCost, cost);
      assert.equal(selector.matches(device(attributes)), match);
    });

  for (const [expression, message] of wrong)
    it(`${expression}: refused`, () => {
      assert.throws(() => compileDeviceSelector(expression), { name: DeviceSelectorError.name, message });
    });

  for (const [expression, message, attributes = {}] of failing)
    it(`${expression}: neither yes nor no`, () => {
      const selector = compileDeviceSelector(expression);
      assert.throws(() => selector.matches(device(attributes)), { name: DeviceMatchError.name, message });
    });

  it('stops a selector that costs too much', () => {
    const list = '[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]';
    const inner = "int('1'.find('[0-9]*')) < 100";
    const nested = ['x', 'y', 'z', 'z2', 'z3', 'z4', 'z5'].reduceRight((rest, name) => `${list}.all(${name}, ${rest})`, inner);
    const selector = compileDeviceSelector(nested);
    assert.equal(selector.maxCost, 85_555_551);
    assert.ok(selector.maxCost > maxSelectorCost);
    assert.throws(() => selector.matches(device({})), { message: /actual cost limit exceeded/ });
  });
});
