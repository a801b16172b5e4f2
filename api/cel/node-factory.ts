/** Makes the nodes of a syntax tree. */
import { accumulatorName, type Expr, type LiteralExpr, type MapEntry } from './ast.ts';
import type { Issue } from './source.ts';
import type { Constant } from './values.ts';

/** Makes nodes with fresh ids. Macros use it, too. */
export class NodeFactory {
  #lastId = 0;
  readonly issues: Issue[];
  constructor(issues: Issue[]) {
    this.issues = issues;
  }
  node(offset: number): { id: number; offset: number } {
    return { id: ++this.#lastId, offset };
  }
  literal(offset: number, value: Constant): LiteralExpr {
    return { kind: 'literal', ...this.node(offset), value };
  }
  ident(offset: number, name: string): Expr {
    return { kind: 'ident', ...this.node(offset), name };
  }
  accumulator(offset: number): Expr {
    return this.ident(offset, accumulatorName);
  }
  call(offset: number, name: string, args: Expr[], target?: Expr): Expr {
    return { kind: 'call', ...this.node(offset), name, target, args };
  }
  list(offset: number, elements: Expr[], optional: ReadonlySet<number> = new Set()): Expr {
    return { kind: 'list', ...this.node(offset), elements, optional };
  }
  map(offset: number, entries: MapEntry[]): Expr {
    return { kind: 'map', ...this.node(offset), entries };
  }
  /** Reports an error without ending the parse. @returns a node to continue with */
  mistake(offset: number, message: string): Expr {
    this.issues.push({ offset, message });
    return this.literal(offset, null);
  }
}
