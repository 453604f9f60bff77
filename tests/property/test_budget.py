"""Any sequence of reservations, releases, moves and closings, against a slow model that adds everything up."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from transfer.limits.budget import Scope, ScopeKind
from transfer.limits.resources import FIELDS, Priority, Resource, ScopeLimits, ceiling_of

AMOUNTS = st.dictionaries(st.sampled_from([Resource.CONNECTIONS, Resource.MEMORY]), st.integers(0, 8), max_size=2)
LIMITS = st.builds(
    lambda connections, memory, keeps: ScopeLimits(connections=connections, memory=memory, keeps_reserve=keeps),
    st.none() | st.integers(0, 40),
    st.none() | st.integers(0, 40),
    st.booleans(),
)


class BudgetSteps(RuleBasedStateMachine):
    @initialize(limits=LIMITS)
    def start(self, limits: ScopeLimits) -> None:
        root = Scope(ScopeKind.SYSTEM, "system", limits)
        self.root = root
        self.own: dict[Scope, dict[Resource, int]] = {root: {}}
        self.parents: dict[Scope, list[Scope]] = {root: []}
        self.depth = {root: 0}

    @rule(data=st.data(), limits=LIMITS)
    def grow(self, data: st.DataObject, limits: ScopeLimits) -> None:
        parents = [scope for scope in self.own if self.depth[scope] < 4]
        first, second = data.draw(st.sampled_from(parents)), data.draw(st.sampled_from(parents))
        also = [second] if second is not first else []
        child = first.child(ScopeKind.SPAN, f"scope {len(self.own)}", limits, also=also)
        self.own[child], self.parents[child] = {}, [first, *also]
        self.depth[child] = 1 + max(self.depth[first], self.depth[second])

    @rule(data=st.data(), charge=AMOUNTS, priority=st.sampled_from(list(Priority)))
    def reserve(self, data: st.DataObject, charge: dict[Resource, int], priority: Priority) -> None:
        scope = data.draw(st.sampled_from(list(self.own)))
        fits = all(self.fits(above, charge, priority) for above in self.line(scope))
        refusal = scope.try_reserve(charge, priority=priority)
        assert (refusal is None) == fits
        if refusal is None:
            for resource, amount in charge.items():
                self.own[scope][resource] = self.own[scope].get(resource, 0) + amount
        else:
            hit = next(above for above in self.line(scope) if above.name == refusal.scope)
            resource = Resource[refusal.limit.upper()]
            assert refusal.in_use == self.used(hit, resource)
            assert refusal.in_use + charge[resource] > refusal.most

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        scope = data.draw(st.sampled_from(list(self.own)))
        charge = {resource: data.draw(st.integers(0, amount)) for resource, amount in self.own[scope].items()}
        scope.release(charge)
        for resource, amount in charge.items():
            self.own[scope][resource] -= amount

    @precondition(lambda self: len(self.own) > 2)
    @rule(data=st.data(), priority=st.sampled_from(list(Priority)))
    def move(self, data: st.DataObject, priority: Priority) -> None:
        scope = data.draw(st.sampled_from([scope for scope in self.own if scope is not self.root]))
        below = self.below(scope)
        target = data.draw(st.sampled_from([other for other in self.own if other not in below]))
        charge = {resource: self.used(scope, resource) for resource in Resource}
        before, after = self.line(scope), [scope, *self.line(target)]
        fits = all(self.fits(above, charge, priority) for above in after if above not in before)
        assert (scope.move(target, priority=priority) is None) == fits
        if fits:
            self.parents[scope] = [target]

    @precondition(lambda self: len(self.own) > 1)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        scope = data.draw(st.sampled_from([scope for scope in self.own if scope is not self.root]))
        for gone in self.below(scope):
            del self.own[gone], self.parents[gone]
        scope.close()

    @invariant()
    def holds(self) -> None:
        if not hasattr(self, "root"):
            return
        self.root.check_invariants()
        for scope in self.own:
            for resource in Resource:
                assert scope.used(resource) == self.used(scope, resource)
                most = getattr(scope.limits, FIELDS[resource])
                assert most is None or scope.used(resource) <= most

    def teardown(self) -> None:
        """All is given back, and nothing is left."""
        if not hasattr(self, "root"):
            return
        for child in list(self.root.children):
            child.close()
        self.root.release(self.own[self.root])
        assert self.root.is_empty

    def line(self, scope: Scope) -> list[Scope]:
        found = [scope]
        for one in found:
            found += [parent for parent in self.parents[one] if parent not in found]
        return found

    def below(self, scope: Scope) -> list[Scope]:
        return [other for other in self.own if scope in self.line(other)]

    def used(self, scope: Scope, resource: Resource) -> int:
        return sum(self.own[other].get(resource, 0) for other in self.below(scope))

    def fits(self, scope: Scope, charge: dict[Resource, int], priority: Priority) -> bool:
        for resource, amount in charge.items():
            most = getattr(scope.limits, FIELDS[resource])
            if most is not None and amount:
                ceiling = ceiling_of(most, priority) if scope.limits.keeps_reserve else most
                if self.used(scope, resource) + amount > ceiling:
                    return False
        return True


def test_any_sequence_adds_up() -> None:
    run_state_machine_as_test(BudgetSteps, settings=settings(max_examples=40, stateful_step_count=25, deadline=None))
