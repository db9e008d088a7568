import type { CausalRule } from "../model/causalRule.ts";
import { applicableRules, causalRule, graphRule, type Rule } from "../model/rules.ts";
import type { SavedModel } from "../run/savedModel.ts";

type Asked<R> = R | undefined;

/**
 * The rule to sample or look with: the one asked for, else the model's own.
 *
 * @throws where the model was not trained for it
 */
export function chooseRule<R extends Rule = CausalRule>(
  { model, dir }: Pick<SavedModel, "model" | "dir">,
  asked: Asked<R>,
): R | CausalRule {
  const trained = causalRule(model);
  if (asked === undefined) {
    if (trained === null) {
      throw new Error(
        `rule: ${dir} must be trained with an auxiliary loss or a predictor wherever later tokens have a say, to decide causally`,
      );
    }
    return graphRule(trained) as CausalRule;
  }
  if ((asked === "predictor" || asked === "auxiliary") && !applicableRules(model).includes(asked)) {
    const part = asked === "auxiliary" ? "an auxiliary loss" : "a predictor";
    throw new Error(`rule: ${dir} must be trained with ${part} to use the rule "${asked}", got none`);
  }
  return asked;
}
