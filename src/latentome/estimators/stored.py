"""How a trained estimator leaves the process: files of its own, ONNX, pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sklearn.utils.validation import check_is_fitted

from latentome.pp import Preprocessing


class Stored:
    """The part of every estimator that stores it; comes before `BaseEstimator` among the bases."""

    def save(self, folder: str | Path, preprocessing: Preprocessing | None = None) -> Path:
        """Save the trained estimator in a folder of plain formats; see `latentome.load_model`.

        Parameters
        ----------
        folder
            Made where it does not exist. Files of an earlier model in it are replaced.
        preprocessing
            What was done to the data, for new samples; kept with the model. By default what a loaded model came with.

        Raises
        ------
        InputError
            If the preprocessing makes other features than the model was trained on.
        """
        from latentome.estimators.persistence import save_model

        check_is_fitted(self)
        return save_model(self, Path(folder).expanduser(), preprocessing)

    def export_onnx(self, folder: str | Path) -> list[Path]:
        """Write encoder and decoder as ONNX graphs, each run with onnxruntime beside our own model before it is kept.

        Needs the extra ``onnx``. Products are in float32 whatever the precision of the training.

        Parameters
        ----------
        folder
            Gets ``encoder.onnx`` (``x``, samples x features, scaled as in training, to ``z``) and ``decoder.onnx``
            (``z``, samples x components, to ``x``). An ensemble has the codes of its members side by side and gives
            the mean of their reconstructions. The names of the features are in the metadata of both files. A model of
            a run brings ``preprocessing.json``, which says what was done to the data.

        Returns
        -------
        The files.

        Raises
        ------
        InputError
            If the packages are missing, or a layer or an activation cannot be exported.
        """
        from latentome.estimators.onnx import export_onnx

        check_is_fitted(self)
        return export_onnx(self, Path(folder).expanduser())

    def __sklearn_is_fitted__(self) -> bool:
        """Whether there are trained models."""
        return "models_" in vars(self)

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and copies: the Keras model as its configuration and weights."""
        state = dict(super().__getstate__())
        models = state.pop("models_", None)
        if models is not None:
            state["_model_states"] = [(type(model), model.get_config(), model.get_weights()) for model in models]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        kept = state.pop("_model_states", None)
        super().__setstate__(state)
        if kept is not None:
            self.models_ = [kind.from_config(config) for kind, config, _ in kept]
            for model, (_, _, weights) in zip(self.models_, kept, strict=True):
                model.set_weights(weights)
