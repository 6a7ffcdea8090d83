"""Serve a trained network: ``uvicorn serve:app`` answers POST /predict with classes and probabilities."""

import gpunet as gn
import numpy as np
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

net = gn.load("digits.safetensors", backend="numpy")
app = FastAPI(title="digits")


class Examples(BaseModel):
    rows: list[list[float]] = Field(min_length=1, max_length=1000)


class Prediction(BaseModel):
    classes: list[int]
    probabilities: list[list[float]]


@app.post("/predict")
def predict(examples: Examples) -> Prediction:
    try:
        A = net.predict(np.array(examples.rows, dtype="float32"))
    except ValueError as error:  # another number of pixels, or what is no finite number
        raise HTTPException(422, str(error)) from error
    return Prediction(classes=A.argmax(axis=1).tolist(), probabilities=A.tolist())
