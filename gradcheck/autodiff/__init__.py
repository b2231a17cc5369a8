"""The autodiff core: derivatives of plain NumPy code. It knows nothing of checking.

Read it in this order: ``core`` (the vocabulary), ``tape`` (reverse mode), ``forward`` (forward mode), ``array``
(NumPy's interface on traced values), ``scope`` (what the protocols do not see), ``transforms`` (grad), ``jacobians``,
``products`` and ``variants`` (its kin), ``custom`` (rules of the user's own), and ``rules/`` as a reference.
"""

from gradcheck.autodiff.checkpointing import checkpoint
from gradcheck.autodiff.core import Notes, NumericDerivativeWarning, noting
from gradcheck.autodiff.custom import (
    def_linear,
    defjvp,
    defjvp_argnum,
    defjvp_argnums,
    defvjp,
    defvjp_argnum,
    defvjp_argnums,
    notrace_primitive,
    primitive,
    recording,
)
from gradcheck.autodiff.errors import AutodiffError
from gradcheck.autodiff.jacobians import hessian, jacobian, value_and_jacobian
from gradcheck.autodiff.products import (
    deriv,
    hessian_tensor_product,
    hessian_vector_product,
    hvp,
    jvp,
    make_ggnvp,
    make_hvp,
    make_jvp,
    make_jvp_reversemode,
    make_vjp,
    tensor_jacobian_product,
    vector_jacobian_product,
    vjp,
)
from gradcheck.autodiff.rules import builders as _builders  # noqa: F401  (adds to scope)
from gradcheck.autodiff.rules import lists as _lists  # noqa: F401  (adds to scope)
from gradcheck.autodiff.rules import subclasses as _subclasses  # noqa: F401  (adds to scope)
from gradcheck.autodiff.transforms import elementwise_grad, grad, value_and_grad
from gradcheck.autodiff.trees import register_pytree_node
from gradcheck.autodiff.variants import grad_and_aux, grad_named, holomorphic_grad, multigrad, multigrad_dict

__all__ = [
    "AutodiffError",
    "Notes",
    "NumericDerivativeWarning",
    "checkpoint",
    "def_linear",
    "defjvp",
    "defjvp_argnum",
    "defjvp_argnums",
    "defvjp",
    "defvjp_argnum",
    "defvjp_argnums",
    "deriv",
    "elementwise_grad",
    "grad",
    "grad_and_aux",
    "grad_named",
    "hessian",
    "hessian_tensor_product",
    "hessian_vector_product",
    "holomorphic_grad",
    "hvp",
    "jacobian",
    "jvp",
    "make_ggnvp",
    "make_hvp",
    "make_jvp",
    "make_jvp_reversemode",
    "make_vjp",
    "multigrad",
    "multigrad_dict",
    "noting",
    "notrace_primitive",
    "primitive",
    "recording",
    "register_pytree_node",
    "tensor_jacobian_product",
    "value_and_grad",
    "value_and_jacobian",
    "vector_jacobian_product",
    "vjp",
]
